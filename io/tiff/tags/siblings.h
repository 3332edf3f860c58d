// The files beside a picture, and what their texts have in common.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sr {

/// Finds files in a picture's folder whatever the case of their names, as GDAL does. In a folder of more than
/// a thousand files a name is found as it is asked for, or with its extension in small letters or capitals.
class Siblings {
 public:
  explicit Siblings(const std::string& picture_path);

  const std::string& name() const { return name_; }            ///< of the picture: "a.tif"
  const std::string& stem() const { return stem_; }            ///< "a"
  const std::string& extension() const { return extension_; }  ///< "tif"

  /// Whether there is a file of exactly that name.
  bool has(const std::string& name) const;

  /// The name as it is on the disk; "" if there is no such file.
  std::string find(const std::string& name) const;

  /// The text of a file of that name, its first 10 MB; "" if it cannot be read.
  std::string text(const std::string& name) const;

 private:
  std::string folder_, name_, stem_, extension_;
  bool listed_ = false;
  std::unordered_map<std::string, std::string> names_;  // by their small letters
};

std::string lower(std::string_view text);
std::string upper(std::string_view text);

/// The lines that are not blank, without the spaces around them; line ends of all systems.
std::vector<std::string_view> filled_lines(std::string_view text);

/// The number that the text begins with, as GDAL reads it: spaces before it and anything behind it do not
/// matter, a comma may stand for the point, and what is no number is 0.
double leading_number(std::string_view text);

/// All numbers of a text, which spaces or commas part.
std::vector<double> numbers_of(std::string_view text);

/// The shortest text that is read as the same number.
std::string shortest_text(double value);

}  // namespace sr
