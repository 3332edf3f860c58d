#include "io/tiff/scene_tags.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <functional>
#include <string_view>

#include "io/tiff/georeference.h"

namespace sr {
namespace {

double scaled_centre(double coordinate, int factor) {
  return (coordinate + 0.5) * factor - 0.5;
}

/// The number that the text begins with, changed; the text as it is if it begins with none.
std::string changed_number(std::string_view text, const std::function<double(double)>& change) {
  const size_t start = std::min(text.find_first_not_of(" \t\r\n+"), text.size());
  double value = 0;
  const auto parsed = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (parsed.ec != std::errc()) return std::string(text);
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, change(value)).ptr;
  return std::string(digits, end);
}

/// The text of <Item name="NAME" domain="RPC">text</Item> after the numbers that depend on the pixel grid
/// have been changed. GDAL takes such items for the RPC of the picture if it has no RPC tag.
std::string scaled_item(std::string_view attributes, std::string_view text, int factor) {
  const auto has = [&](const char* attribute) {
    return attributes.find(attribute) != std::string_view::npos;
  };
  if (!has("domain=\"RPC\"")) return std::string(text);
  if (has("name=\"LINE_OFF\"") || has("name=\"SAMP_OFF\"")) {
    return changed_number(text, [factor](double offset) { return scaled_centre(offset, factor); });
  }
  if (has("name=\"LINE_SCALE\"") || has("name=\"SAMP_SCALE\"")) {
    return changed_number(text, [factor](double scale) { return scale * factor; });
  }
  return std::string(text);
}

std::string scaled_metadata(const std::string& xml, int factor) {
  constexpr std::string_view kItem = "<Item", kEnd = "</Item>", kSpaces = " \t\r\n";
  const std::string_view view(xml);
  std::string result;
  size_t done = 0;
  while (true) {
    const size_t item = view.find(kItem, done);
    const size_t text = view.find('>', item);
    const size_t end = view.find('<', text);
    if (item == std::string::npos || text == std::string::npos || end == std::string::npos) break;
    const std::string_view attributes = view.substr(item, text - item);
    const bool statistics = attributes.find("name=\"STATISTICS_") != std::string_view::npos;
    if (statistics && view.substr(end, kEnd.size()) == kEnd) {
      result += view.substr(done, item - done);
      done = std::min(view.find_first_not_of(kSpaces, end + kEnd.size()), view.size());
      continue;
    }
    result += view.substr(done, text + 1 - done);
    result += scaled_item(attributes, view.substr(text + 1, end - text - 1), factor);
    done = end;
  }
  result += view.substr(done);
  return done > 0 && result.find(kItem) == std::string::npos ? "" : result;  // nothing but statistics
}

}  // namespace

SceneTags scaled(const SceneTags& tags, int factor) {
  SceneTags fine = tags;
  scale_georeference(fine, factor);
  fine.gdal_metadata = scaled_metadata(tags.gdal_metadata, factor);
  fine.x_resolution *= factor;
  fine.y_resolution *= factor;
  return fine;
}

}  // namespace sr
