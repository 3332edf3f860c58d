#include "idn/checkpoint_files.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <vector>

#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

fs::path checkpoint_folder(const std::string& path, int factor) {
  return fs::path(path) / ("x" + std::to_string(factor)) / "ckpts";
}

// The step in "ckpt-STEP.sr", or -1.
int64_t step_of(const std::string& name) {
  constexpr std::string_view kBegin = "ckpt-", kEnd = ".sr";
  if (name.size() <= kBegin.size() + kEnd.size() || !name.starts_with(kBegin) || !name.ends_with(kEnd))
    return -1;
  const std::string digits = name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size());
  if (digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(digits);
}

struct NumberedFile {
  int64_t step;
  fs::path path;
};

std::vector<NumberedFile> checkpoints_by_step(const fs::path& folder) {
  std::vector<NumberedFile> all;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored))
    if (const int64_t step = step_of(entry.path().filename().string()); step >= 0)
      all.push_back({step, entry.path()});
  std::ranges::sort(all, {}, &NumberedFile::step);
  return all;
}

}  // namespace

std::string find_checkpoint(const std::string& pretrained_path, int factor) {
  std::error_code ignored;
  if (fs::is_regular_file(pretrained_path, ignored)) return pretrained_path;
  const fs::path folder = checkpoint_folder(pretrained_path, factor);
  if (!fs::is_directory(folder, ignored)) {
    std::string others;
    for (int f = 2; f <= 4; ++f)
      if (fs::is_directory(checkpoint_folder(pretrained_path, f), ignored))
        others += " x" + std::to_string(f);
    throw Error(Error::Kind::io, folder.string(), ": no such folder",
                others.empty()
                    ? "; --pretrained_path wants a folder with xFACTOR/ckpts in it, or a checkpoint"
                    : "; there are weights for" + others + " only");
  }
  const std::vector<NumberedFile> all = checkpoints_by_step(folder);
  if (all.empty()) throw Error(Error::Kind::io, folder.string(), ": holds no checkpoint (ckpt-STEP.sr)");
  return all.back().path.string();
}

std::string checkpoint_name(const std::string& path, int factor, int64_t step) {
  const fs::path folder = checkpoint_folder(path, factor);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error(Error::Kind::io, folder.string(), ": cannot be created: ", error.message(),
                "; choose a folder that can be written to");
  const std::string digits = std::to_string(step);
  return (folder / ("ckpt-" + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits + ".sr"))
      .string();
}

std::string factor_folder(const std::string& path, int factor) {
  return (fs::path(path) / ("x" + std::to_string(factor))).string();
}

bool has_checkpoint(const std::string& path, int factor) {
  return !checkpoints_by_step(checkpoint_folder(path, factor)).empty();
}

void remove_old_checkpoints(const std::string& path, int factor, size_t newest, double seconds_apart) {
  const std::vector<NumberedFile> all = checkpoints_by_step(checkpoint_folder(path, factor));
  if (all.size() <= newest) return;
  std::error_code error;
  fs::file_time_type kept = fs::last_write_time(all[0].path, error);
  for (size_t i = 1; i < all.size() - newest; ++i) {
    const fs::file_time_type written = fs::last_write_time(all[i].path, error);
    if (std::chrono::duration<double>(written - kept).count() >= seconds_apart)
      kept = written;
    else
      fs::remove(all[i].path, error);
  }
}

}  // namespace sr
