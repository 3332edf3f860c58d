// Which of several processes this one is: as --shard says, or the scheduler that started it.
#pragma once

#include <string>

namespace sr {

struct Shard {
  int index = 1, count = 1;  ///< from 1; count 1: there is one process
  std::string source;        ///< for people: "--shard", or the variables that say so

  /// "shard-2-of-5"
  std::string name() const { return name_of(index, count); }
  static std::string name_of(int index, int count) {
    return "shard-" + std::to_string(index) + "-of-" + std::to_string(count);
  }
};

/// `option` is "2/5", "none", or "auto": then Slurm's array, and Open MPI's, MPICH's or Slurm's step within
/// it, of the environment. Errors: usage (no such share; variables that contradict each other, or an array
/// whose numbers have gaps).
Shard shard_of_option(const std::string& option);

}  // namespace sr
