// Runs a program as a user would and tells how it ended.
#pragma once

#include <cstdint>
#include <functional>
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

/// The same, and it is sent `signal` as soon as moment(), asked every millisecond, is true. A program that
/// was faster than that has simply ended.
ProgramRun run_program_until(const std::function<bool()>& moment, int signal, const std::string& program,
                             std::vector<std::string> arguments, int seconds = 300);

}  // namespace sr
