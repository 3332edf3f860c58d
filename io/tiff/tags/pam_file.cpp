#include "io/tiff/tags/pam_file.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <pugixml.hpp>
#include <string_view>

namespace sr {
namespace {

// What a <Metadata> holds beside statistics, which are of no use for other samples, and what the tags say
// anyway.
void add_items(const pugi::xml_node& metadata, PamFile& pam) {
  const std::string domain = metadata.attribute("domain").value();
  for (const pugi::xml_node item : metadata.children()) {
    const std::string key = item.attribute("key").value();
    if (!key.starts_with("STATISTICS_") && key != "AREA_OR_POINT")
      pam.others.insert(domain.empty() ? key : key.empty() ? domain : domain + ":" + key);
  }
}

// Of the whole picture.
void read_metadata(pugi::xml_node metadata, PamFile& pam) {
  const std::string_view domain = metadata.attribute("domain").value();
  if (domain == "RPC") {
    for (const pugi::xml_node item : metadata.children("MDI"))
      pam.rpc.emplace(item.attribute("key").value(), item.child_value());
    return;
  }
  const pugi::xml_node nodata = metadata.find_child_by_attribute("MDI", "key", "NODATA_VALUES");
  if (domain.empty() && nodata) {
    pam.nodata_values = nodata.child_value();
    metadata.remove_child(nodata);
  }
  add_items(metadata, pam);
}

std::vector<double> control_points(const pugi::xml_node& list) {
  std::vector<double> points;
  for (const pugi::xml_node point : list.children("GCP")) {
    const auto number = [&](const char* name) { return leading_number(point.attribute(name).value()); };
    points.insert(points.end(), {number("Pixel"), number("Line"), 0, number("X"), number("Y"), number("Z")});
  }
  return points;
}

// The text has 15 digits, by which a double may be another or none; le_hex_equiv its eight bytes, the lowest
// first.
std::string nodata_text(const pugi::xml_node& node) {
  const std::string text = node.child_value();
  const std::string_view hex = node.attribute("le_hex_equiv").value();
  if (text.empty() || hex.size() != 16) return text;
  uint64_t bits = 0;
  for (size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const char* const end = hex.data() + i + 2;
    if (std::from_chars(hex.data() + i, end, byte, 16).ptr != end) return text;
    bits |= uint64_t{byte} << (4 * i);
  }
  const auto value = std::bit_cast<double>(bits);
  if (std::isnan(value)) return "nan";
  return leading_number(text) == value ? text : shortest_text(value);
}

void read_band(const pugi::xml_node& band, PamFile& pam) {
  for (const pugi::xml_node node : band.children()) {
    const std::string_view name = node.name();
    if (name == "NoDataValue") {
      const std::string text = nodata_text(node);
      if (!text.empty()) pam.nodata[band.attribute("band").as_int()] = text;
    } else if (name == "Metadata") {
      add_items(node, pam);
    } else if (name == "CategoryNames") {
      pam.categories = pam.categories || node.first_child();
    } else if (name == "GDALRasterAttributeTable") {
      pam.attributes = true;
    } else if (name != "Histograms" && !(name == "Description" && !node.first_child())) {
      pam.others.insert(node.name());
    }
  }
}

}  // namespace

PamFile read_pam_file(const Siblings& beside) {
  PamFile pam;
  const std::string name = beside.name() + ".aux.xml";
  if (!beside.has(name)) return pam;
  const std::string text = beside.text(name);
  if (filled_lines(text).empty()) return pam;
  pam.name = name;
  pugi::xml_document document;
  pam.damaged = !document.load_buffer(text.data(), text.size());
  if (pam.damaged) return pam;
  pam.foreign = !document.child("PAMDataset");
  for (const pugi::xml_node node : document.child("PAMDataset").children()) {
    const std::string_view kind = node.name();
    if (kind == "SRS") {
      pam.coordinate_system = node.child_value();
      const std::string_view epoch = node.attribute("coordinateEpoch").value();
      if (!epoch.empty()) pam.epoch = leading_number(epoch);
    } else if (kind == "GeoTransform") {
      const std::vector<double> n = numbers_of(node.child_value());
      if (n.size() == 6) pam.grid = {n[0], n[1], n[2], n[3], n[4], n[5]};
    } else if (kind == "GCPList") {
      pam.control_points = control_points(node);
      if (pam.control_points.size() > UINT16_MAX)
        pam.control_points.clear(), pam.others.insert("GCPList");  // for the tag
      pam.control_point_system = node.attribute("Projection").value();
    } else if (kind == "Metadata") {
      read_metadata(node, pam);
    } else if (kind == "PAMRasterBand") {
      read_band(node, pam);
    } else {
      pam.others.insert(node.name());
    }
  }
  return pam;
}

}  // namespace sr
