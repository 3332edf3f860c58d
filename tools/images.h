// The images that a program is to work on, and its account of those that failed.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "io/counted.h"
#include "tensor/error.h"
#include "tools/program.h"

namespace sr {

inline std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The images of a folder with one of these extensions (".tif", any case), in the order of their names; or
/// data_path itself if it is a file. Links that lead nowhere are among them: what opens them says so, and
/// counts them as failed. Names that begin with "._" are not: macOS puts its own notes on a file there.
/// Errors: io (no such folder, nothing in it that would be taken).
inline std::vector<std::filesystem::path> find_images(const std::string& data_path,
                                                      const std::vector<std::string>& extensions) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_regular_file(data_path, error)) return {data_path};
  if (!fs::is_directory(data_path, error))
    throw Error(Error::Kind::io, data_path,
                ": no such file or folder; --data_path wants a folder with images, or one image");
  std::vector<fs::path> images;
  size_t others = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(data_path, error)) {
    std::error_code leads_nowhere;
    if (!entry.is_regular_file(leads_nowhere) && !leads_nowhere) continue;
    const std::string extension = lower(entry.path().extension().string());
    const bool note = entry.path().filename().string().starts_with("._");
    if (!note && std::find(extensions.begin(), extensions.end(), extension) != extensions.end())
      images.push_back(entry.path());
    else
      ++others;
  }
  if (error) throw Error(Error::Kind::io, data_path, ": cannot be read: ", error.message());
  if (images.empty()) {
    std::string wanted;
    for (const std::string& extension : extensions) wanted += (wanted.empty() ? "" : ", ") + extension;
    throw Error(Error::Kind::io, data_path, ": no image (", wanted, ") among its ",
                counted(static_cast<int64_t>(others), "file"), "; --img_ext chooses another extension");
  }
  std::sort(images.begin(), images.end());
  return images;
}

/// An extension as users write it ("tif", ".TIF") in the form that find_images takes.
inline std::string extension_of_option(const std::string& option) {
  return lower(option.empty() || option[0] == '.' ? option : "." + option);
}

/// Lists the failures once more at the end, and gives the exit status: 0 without any, else 1.
inline int report_failures(const std::vector<std::string>& failures, size_t images) {
  if (failures.empty()) return 0;
  if (images > 1) {
    std::fprintf(stderr, "%zu of %zu images failed:\n", failures.size(), images);
    for (const std::string& failure : failures) std::fprintf(stderr, "  %s\n", failure.c_str());
  }
  return 1;
}

}  // namespace sr
