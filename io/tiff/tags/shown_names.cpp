#include "io/tiff/tags/shown_names.h"

namespace sr {

std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string some_of(std::vector<std::string> names) {
  constexpr size_t kMostNamed = 6;
  if (const size_t all = names.size(); all > kMostNamed) {
    names.resize(kMostNamed);
    names.push_back("and " + std::to_string(all - kMostNamed) + " more");
  }
  return joined(names);
}

}  // namespace sr
