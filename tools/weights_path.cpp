#include "tools/weights_path.h"

#include <filesystem>

#include "tensor/error.h"

namespace sr {

std::string weights_path(const std::string& pretrained_path, const std::string& way_out) {
  if (!pretrained_path.empty()) return pretrained_path;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path installed =
      program.parent_path().parent_path() / "share" / "superres" / "pretrained";
  if (error || !std::filesystem::is_directory(installed, error))
    throw Error(Error::Kind::usage, "--pretrained_path is missing, and no weights lie in ",
                installed.string(), way_out);
  return installed.string();
}

}  // namespace sr
