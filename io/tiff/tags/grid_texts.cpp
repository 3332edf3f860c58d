#include "io/tiff/tags/grid_texts.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <optional>

#include "io/json_text.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "io/tiff/tags/shown_names.h"
#include "io/tiff/tags/xml_places.h"
#include "io/tiff/tags/xmp.h"

namespace sr {
namespace {

bool same_letter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

bool fits(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, mark = t;
    } else if (p < pattern.size() && same_letter(pattern[p], text[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1, t = ++mark;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t first = std::min(text.find_first_not_of(kSpaces), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

/// The text with the number that it begins with changed; as it is if it begins with none.
std::string changed(std::string_view text, GridRule rule, int factor) {
  const size_t start = std::min(text.find_first_not_of(" \t\r\n+"), text.size());
  const char* const end = text.data() + text.size();
  double value = 0;
  const auto parsed = std::from_chars(text.data() + start, end, value);
  if (parsed.ec != std::errc()) return std::string(text);
  value = rule == GridRule::centre ? (value + 0.5) * factor - 0.5 : value * factor;
  char digits[40];
  const auto written = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return std::string(digits, written) + std::string(static_cast<const char*>(parsed.ptr), end);
}

std::string scaled_metadata(const std::string& xml, int factor) {
  return with_changed_items(xml, [factor](const MetadataItem& item) -> std::optional<std::string> {
    const GridRow* const row = grid_row(GridText::item, item.domain, item.name);
    if (!row || row->rule == GridRule::named) return item.text;
    if (row->rule == GridRule::dropped) return std::nullopt;
    return changed(item.text, row->rule, factor);
  });
}

std::vector<uint8_t> scaled_xmp(const std::vector<uint8_t>& xmp, int factor) {
  const std::string packet(xmp.begin(), xmp.end());
  std::vector<XmlChange> changes;
  for (const XmpProperty& p : xmp_properties(packet)) {
    const GridRow* const row = grid_row(GridText::xmp, p.space, p.name);
    if (row && row->rule != GridRule::named)
      changes.push_back({p.begin, p.end, changed(p.text, row->rule, factor)});
  }
  const std::string result = with_changes(packet, changes);
  return {result.begin(), result.end()};
}

// tifffile's: what else it holds was given by whoever wrote the file. Other people's JSON, whose shape is no
// list, stays.
std::string retold_json(const std::string& text) {
  constexpr int kDeepest = 32;  // what nests deeper is not told again: writing it would nest as deep
  const auto shallow = [](int depth, auto, auto&) { return depth < kDeepest; };
  auto root = nlohmann::ordered_json::parse(text, shallow, false);
  if (!root.is_object()) return "";
  if (const auto shape = root.find("shape"); shape == root.end() || !shape->is_array()) return text;
  for (const char* key : {"shape", "axes", "truncated"}) root.erase(key);
  return root.empty() ? "" : root.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// Lines KEY=VALUE: those that say how many pictures there are.
std::string retold_imagej(std::string_view text) {
  constexpr std::string_view kCounts[] = {"images",     "channels", "slices", "frames",
                                          "hyperstack", "mode",     "loop"};
  std::string result;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    const std::string_view key = line.substr(0, line.find('='));
    if (std::find(std::begin(kCounts), std::end(kCounts), key) == std::end(kCounts)) result += line;
    text.remove_prefix(end);
  }
  return result;
}

const GridRow* row_of_description(const std::string& text) {
  return grid_row(GridText::description, "", trimmed(text));
}

std::string scaled_description(const std::string& text) {
  const GridRow* const row = row_of_description(text);
  if (!row || row->rule == GridRule::named) return text;
  if (row->rule == GridRule::dropped) return "";
  return text.find("ImageJ=") == 0 ? retold_imagej(text) : retold_json(text);
}

// For a line of a note.
std::string shown(std::string_view name, std::string_view text) {
  return printable(std::string(name) + "=" + std::string(trimmed(text).substr(0, 40)));
}

}  // namespace

const GridRow* grid_row(GridText where, std::string_view scope, std::string_view name) {
  const auto row = std::find_if(std::begin(kGridRows), std::end(kGridRows), [&](const GridRow& r) {
    return r.where == where && fits(r.scope, scope) && fits(r.name, name);
  });
  return row == std::end(kGridRows) ? nullptr : row;
}

void scale_texts(SceneTags& tags, int factor) {
  tags.gdal_metadata = scaled_metadata(tags.gdal_metadata, factor);
  tags.xmp = scaled_xmp(tags.xmp, factor);
  tags.description = scaled_description(tags.description);
}

std::vector<std::string> notes_on_texts(const SceneTags& tags) {
  std::vector<std::string> named, notes;
  const auto add = [&](const GridRow* row, std::string_view name, std::string_view text) {
    if (row && row->rule == GridRule::named) named.push_back(shown(name, text));
  };
  for (const MetadataItem& item : metadata_items(tags.gdal_metadata))
    add(grid_row(GridText::item, item.domain, item.name), item.name, item.text);
  for (const XmpProperty& p : xmp_properties(std::string(tags.xmp.begin(), tags.xmp.end())))
    add(grid_row(GridText::xmp, p.space, p.name), p.name, p.text);
  const GridRow* const described = row_of_description(tags.description);
  add(described, "ImageDescription", tags.description);
  if (!named.empty()) notes.push_back("it keeps what its texts say of the input's grid: " + some_of(named));
  if (described && described->rule == GridRule::dropped)
    notes.push_back("its ImageDescription tells size and structure of the input's file and is left out");
  return notes;
}

}  // namespace sr
