#include "io/tiff/tags/gdal_metadata.h"

#include <algorithm>
#include <optional>
#include <pugixml.hpp>
#include <string_view>

#include "io/tiff/tags/xml_places.h"

namespace sr {
namespace {

constexpr std::string_view kEmpty = "<GDALMetadata>\n</GDALMetadata>\n", kRoot = "GDALMetadata";

// Parses as a whole or not at all. Offsets are then those of the text.
std::optional<pugi::xml_document> parsed(const std::string& xml) {
  constexpr size_t kLargest = size_t{16} << 20;
  if (xml.size() > kLargest) return std::nullopt;
  pugi::xml_document document;
  const auto result = document.load_buffer(xml.data(), xml.size(), pugi::parse_full | pugi::parse_ws_pcdata,
                                           pugi::encoding_utf8);
  if (!result || document.child(kRoot.data()).empty()) return std::nullopt;
  return document;
}

bool is_plain(const pugi::xml_node& item) {
  const pugi::xml_node content = item.first_child();
  return !content || (content.type() == pugi::node_pcdata && !content.next_sibling());
}

MetadataItem item_of(const pugi::xml_node& node, std::string_view xml) {
  MetadataItem item;
  item.name = node.attribute("name").value();
  item.domain = node.attribute("domain").value();
  item.role = node.attribute("role").value();
  item.text = node.child_value();
  item.band = node.attribute("sample").as_int(-1);
  item.begin = static_cast<size_t>(node.offset_debug()) - 1;  // at '<'
  item.text_begin = end_of_xml_tag(xml, item.begin);
  if (xml[item.text_begin - 2] == '/') {
    item.text_end = item.end = item.text_begin;
  } else {
    item.text_end = xml.find('<', item.text_begin);
    item.end = end_of_xml_tag(xml, item.text_end);
  }
  return item;
}

}  // namespace

std::vector<MetadataItem> metadata_items(const std::string& xml) {
  const std::optional<pugi::xml_document> document = parsed(xml);
  std::vector<MetadataItem> items;
  if (!document) return items;
  for (const pugi::xml_node& node : document->child(kRoot.data()).children("Item"))
    if (is_plain(node)) items.push_back(item_of(node, xml));
  return items;
}

std::string with_changed_items(const std::string& xml,
                               const std::function<std::optional<std::string>(const MetadataItem&)>& change) {
  std::vector<XmlChange> changes;
  bool left_out = false;
  for (const MetadataItem& item : metadata_items(xml)) {
    const std::optional<std::string> text = change(item);
    if (!text) {
      changes.push_back({item.begin, std::min(xml.find_first_not_of(" \t\r\n", item.end), xml.size()), ""});
      left_out = true;
    } else if (*text != item.text) {
      changes.push_back({item.text_begin, item.text_end, xml_escaped(*text)});
    }
  }
  const std::string result = with_changes(xml, changes);
  const auto is_element = [](const pugi::xml_node& node) { return node.type() == pugi::node_element; };
  const std::optional<pugi::xml_document> left = left_out ? parsed(result) : std::nullopt;
  return left && !left->child(kRoot.data()).find_child(is_element) ? "" : result;
}

std::string without_band_items(const std::string& xml) {
  return with_changed_items(
      xml, [](const MetadataItem& item) { return item.band >= 0 ? std::nullopt : std::optional(item.text); });
}

std::string with_items(const std::string& xml,
                       const std::vector<std::pair<std::string, std::string>>& items) {
  std::string whole = xml.empty() ? std::string(kEmpty) : xml;
  const size_t end = whole.rfind("</GDALMetadata");
  if (items.empty() || end == std::string::npos || !parsed(whole)) return xml;
  std::string added;
  for (const auto& [name, text] : items)
    added += "  <Item name=\"" + name + "\">" + xml_escaped(text) + "</Item>\n";
  return whole.insert(end, added);
}

}  // namespace sr
