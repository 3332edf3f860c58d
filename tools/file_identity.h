// Files told apart whatever their paths, so that no output replaces what it is made of.
#pragma once

#include <sys/stat.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {

/// Tells a file from all others; nothing if there is none.
using Identity = std::optional<std::pair<dev_t, ino_t>>;

inline Identity identity_of(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return std::nullopt;
  return std::pair(file.st_dev, file.st_ino);
}

/// What is written beside a result until that is complete, and then removed: io/tiff/output has these names.
inline std::initializer_list<const char*> working_ends() {
  static constexpr auto kEnds = {".part", ".part.journal", ".blocks.part", ".blocks.part.journal"};
  return kEnds;
}

/// Errors: usage, if writing `output`, which `option` names, would replace `input`.
inline void check_replaces_not(const std::string& output, const std::string& option,
                               const std::string& input) {
  const Identity there = identity_of(input);
  if (!there || output.empty()) return;
  bool same = identity_of(output) == there;
  for (const char* end : working_ends()) same = same || identity_of(output + end) == there;
  if (same)
    throw Error(Error::Kind::usage, option, " ", output, " would replace ", input, "; choose another name");
}

}  // namespace sr
