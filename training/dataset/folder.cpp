#include "training/dataset/folder.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kParts[] = {"Training", "Validation", "Debug"};

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// PREFIX, a number of at least three digits, SUFFIX.
bool is_numbered(std::string_view name, std::string_view prefix, std::string_view suffix) {
  return name.size() >= prefix.size() + suffix.size() + 3 && name.starts_with(prefix) &&
         name.ends_with(suffix) &&
         all_digits(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
}

// Names of our own files, with what a killed run leaves of them (NAME.part).
bool is_ours(const std::string& folder, std::string_view name) {
  constexpr std::string_view kPart = ".part";
  if (name.ends_with(kPart)) name.remove_suffix(kPart.size());
  if (folder.empty()) return name == "manifest.json" || name == "mean_values.json";
  if (folder == "Debug") return is_numbered(name, "tile_", ".png");
  return is_numbered(name, "data_", ".rec");
}

// All files of an earlier data set, manifest.json first.
std::vector<fs::path> own_files(const fs::path& folder) {
  std::vector<fs::path> files;
  const auto collect = [&](const std::string& part) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder / part)) {
      const std::string name = entry.path().filename().string();
      const bool is_part = part.empty() && entry.is_directory() &&
                           std::find(std::begin(kParts), std::end(kParts), name) != std::end(kParts);
      if (is_part) continue;
      if (!entry.is_regular_file() || !is_ours(part, name))
        throw Error(Error::Kind::io, entry.path().string(), ": not part of a training data set, and ",
                    folder.string(), " would be replaced; move it away or choose another --out_path");
      files.push_back(entry.path());
    }
  };
  collect("");
  for (const char* part : kParts)
    if (fs::exists(folder / part)) collect(part);
  const auto manifest = std::find(files.begin(), files.end(), folder / "manifest.json");
  if (manifest != files.end()) std::rotate(files.begin(), manifest, manifest + 1);
  return files;
}

std::string three_digits(int64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

template <class Work>
void with_folder(const std::string& folder, const Work& work) {
  try {
    work();
  } catch (const fs::filesystem_error& e) {
    throw Error(Error::Kind::io, folder, ": cannot be prepared: ", e.code().message(),
                "; choose another folder with --out_path");
  }
}

}  // namespace

void check_dataset_folder(const std::string& folder) {
  with_folder(folder, [&] {
    if (!fs::exists(folder)) return;
    if (!fs::is_directory(folder))
      throw Error(Error::Kind::io, folder, ": a file has this name; choose another folder with --out_path");
    own_files(folder);
  });
}

void clear_dataset_folder(const std::string& folder) {
  with_folder(folder, [&] {
    if (!fs::exists(folder)) return;
    for (const fs::path& file : own_files(folder)) fs::remove(file);
    for (const char* part : kParts) fs::remove(fs::path(folder) / part);
  });
}

void make_dataset_folder(const std::string& folder, bool debug) {
  clear_dataset_folder(folder);
  with_folder(folder, [&] {
    for (const char* part : {"Training", "Validation"}) fs::create_directories(fs::path(folder) / part);
    if (debug) fs::create_directory(fs::path(folder) / "Debug");
  });
}

std::string record_file_name(int64_t number) {
  return "data_" + three_digits(number) + ".rec";
}

std::string picture_file_name(int64_t number) {
  return "tile_" + three_digits(number) + ".png";
}

}  // namespace sr
