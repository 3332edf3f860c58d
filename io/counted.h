// Numbers of things in texts for people.
#pragma once

#include <cstdint>
#include <string>

namespace sr {

/// "1 band", "0 bands", "3 bands".
inline std::string counted(int64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

}  // namespace sr
