// How processes and their threads lie on processors.
#pragma once

#include <string>
#include <vector>

namespace sr {

struct Placement {
  std::string host, processors;    ///< those that the process may run on: "0-3,8"
  int count = 1, of_launcher = 1;  ///< how many; and how many the program that started it may run on
  int threads = 0;                 ///< that it was told to use; 0: none
};

/// Of this process.
Placement placement(int threads);
std::string to_text(const Placement& placement);
/// What to_text() gave.
Placement placement_in(const std::string& text);

/// Threads of process `rank`: what it was told, or its processors, shared with those that have the same.
int threads_of(const std::vector<Placement>& all, size_t rank);

/// How many of the processes before `rank` are on its host.
int number_on_host(const std::vector<Placement>& all, size_t rank);

/// In a line what is wrong with how they lie, and what to start instead; "" if nothing is.
std::string misplaced(const std::vector<Placement>& all);

}  // namespace sr
