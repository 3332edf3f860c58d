#include "io/tiff/tags/siblings.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace sr {
namespace {

constexpr size_t kMostListed = 1000, kMostText = 10 << 20;
constexpr std::string_view kSpaces = " \t\r\n\f\v";

}  // namespace

Siblings::Siblings(const std::string& picture_path) {
  const std::filesystem::path path(picture_path);
  folder_ = path.has_parent_path() ? path.parent_path().string() : ".";
  name_ = path.filename().string();
  stem_ = path.stem().string();
  extension_ = path.extension().string();
  if (!extension_.empty()) extension_.erase(0, 1);
  std::error_code failed;
  std::filesystem::directory_iterator entry(folder_, failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    if (names_.size() == kMostListed) break;
    const std::string name = entry->path().filename().string();
    names_.emplace(lower(name), name);
  }
  listed_ = !failed && entry == std::filesystem::directory_iterator();
}

bool Siblings::has(const std::string& name) const {
  std::error_code none;
  return std::filesystem::is_regular_file(std::filesystem::path(folder_) / name, none);
}

std::string Siblings::find(const std::string& name) const {
  if (listed_) {
    const auto found = names_.find(lower(name));
    if (found == names_.end()) return "";
    if (has(name)) return name;
    return has(found->second) ? found->second : "";
  }
  const size_t dot = std::min(name.rfind('.'), name.size());
  const std::string stem = name.substr(0, dot), extension = name.substr(dot);
  for (const std::string& cased : {name, stem + lower(extension), stem + upper(extension)}) {
    if (has(cased)) return cased;
  }
  return "";
}

std::string Siblings::text(const std::string& name) const {
  const std::filesystem::path path = std::filesystem::path(folder_) / name;
  std::error_code failed;
  const auto size = std::filesystem::file_size(path, failed);
  if (failed) return "";
  std::ifstream stream(path, std::ios::binary);
  std::string text(std::min<size_t>(size, kMostText), '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::vector<std::string_view> filled_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find_first_of("\r\n", start), text.size());
    const std::string_view line = text.substr(start, end - start);
    const size_t first = line.find_first_not_of(kSpaces);
    if (first != std::string_view::npos) {
      lines.push_back(line.substr(first, line.find_last_not_of(kSpaces) - first + 1));
    }
    start = end + 1;
  }
  return lines;
}

double leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  std::string number(text.substr(0, 64));
  const size_t mark = number.find_first_of(".,");
  if (mark != std::string::npos && number[mark] == ',') number[mark] = '.';
  double value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  return value;
}

std::vector<double> numbers_of(std::string_view text) {
  constexpr std::string_view kBetween = ", \t\r\n()";
  std::vector<double> numbers;
  for (size_t start = text.find_first_not_of(kBetween); start != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBetween, start), text.size());
    numbers.push_back(leading_number(text.substr(start, end - start)));
    start = text.find_first_not_of(kBetween, end);
  }
  return numbers;
}

std::string shortest_text(double value) {
  char digits[40];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace sr
