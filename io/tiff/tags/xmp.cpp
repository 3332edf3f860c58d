#include "io/tiff/tags/xmp.h"

#include <algorithm>
#include <pugixml.hpp>
#include <string_view>

#include "io/tiff/tags/xml_places.h"

namespace sr {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

constexpr size_t kLargest = size_t{16} << 20;  // bytes; no packet of a picture comes near
constexpr int kDeepest = 64;

// The URI that a prefix stands for where `node` is.
std::string space_of(pugi::xml_node node, std::string_view prefix) {
  const std::string declaration = "xmlns:" + std::string(prefix);
  for (int i = 0; node && i < kDeepest; ++i, node = node.parent())
    if (const pugi::xml_attribute found = node.attribute(declaration.c_str())) return found.value();
  return "";
}

XmpProperty property(const pugi::xml_node& node, std::string_view qualified, std::string text, size_t begin,
                     size_t end) {
  const size_t colon = std::min(qualified.find(':'), qualified.size());
  const size_t name = colon < qualified.size() ? colon + 1 : 0;
  return {space_of(node, qualified.substr(0, colon)), std::string(qualified.substr(name)), std::move(text),
          begin, end};
}

// The attributes of a start tag have no offsets: they stand in it in the same order.
void add_attributes(const pugi::xml_node& node, std::string_view packet, std::vector<XmpProperty>& found) {
  size_t at = static_cast<size_t>(node.offset_debug()) + std::string_view(node.name()).size();
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    const size_t quote = packet.find_first_of("\"'", at);
    const size_t end = packet.find(packet[quote], quote + 1);
    at = end + 1;
    if (!std::string_view(attribute.name()).starts_with("xmlns"))
      found.push_back(property(node, attribute.name(), attribute.value(), quote + 1, end));
  }
}

void add_content(const pugi::xml_node& node, std::string_view packet, std::vector<XmpProperty>& found) {
  const pugi::xml_node content = node.first_child();
  if (content.type() != pugi::node_pcdata || content.next_sibling()) return;
  const auto begin = static_cast<size_t>(content.offset_debug());
  found.push_back(property(node, node.name(), content.value(), begin, packet.find('<', begin)));
}

struct Walker : pugi::xml_tree_walker {
  explicit Walker(std::string_view text) : packet(text) {}
  bool for_each(pugi::xml_node& node) override {
    if (node.type() != pugi::node_element) return true;
    add_attributes(node, packet, found);
    add_content(node, packet, found);
    return true;
  }
  std::string_view packet;
  std::vector<XmpProperty> found;
};

}  // namespace

std::vector<XmpProperty> xmp_properties(const std::string& packet) {
  // A terminating zero, and what may follow it, is no XML.
  const std::string_view text = std::string_view(packet).substr(0, packet.find('\0'));
  pugi::xml_document document;
  if (text.find_first_not_of(kSpaces) == std::string_view::npos || text.size() > kLargest ||
      !document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8))
    return {};
  Walker walker(text);
  document.traverse(walker);
  return std::move(walker.found);
}

}  // namespace sr
