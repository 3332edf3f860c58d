// Runs a program as a user would and tells how it ended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/test_folder.h"

namespace sr {

struct ProgramRun {
  int status = -1;  ///< exit status; -1 if a signal ended it
  int signal = 0;
  std::string out, err;
  int64_t peak_bytes = 0;      ///< resident memory at its largest
  int64_t written_bytes = -1;  ///< to files, pipes and terminals; -1 if the system does not count them
  double seconds = 0;
};

std::string text_of_file(const std::string& path);

/// `program` is a name in the build's bin folder, or found on the PATH. Killed after `seconds`.
ProgramRun run_program(const std::string& program, std::vector<std::string> arguments, int seconds = 300);

}  // namespace sr
