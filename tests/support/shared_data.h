// Where tests find the data that is not part of the project.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace sr {

/// Full path of a file or folder of the shared test data (IDN_SHARED, else ../shared beside the sources), or
/// "" if it is not on this machine.
inline std::string shared_data(const std::string& relative) {
  const char* env = std::getenv("IDN_SHARED");
  const std::filesystem::path path = std::filesystem::path(env ? env : SR_SOURCE_DIR "/../shared") / relative;
  return std::filesystem::exists(path) ? path.string() : std::string();
}

}  // namespace sr
