#include "io/tiff/output/vrt.h"

#include <geo_normalize.h>
#include <geotiff.h>
#include <tiff.h>

#include <filesystem>
#include <map>
#include <memory>
#include <pugixml.hpp>
#include <sstream>

#include "io/tiff/file.h"
#include "io/tiff/tags/coordinate_system.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/read_tags.h"
#include "io/tiff/tags/siblings.h"

namespace sr {
namespace {

using Node = pugi::xml_node;

void add(Node to, const char* name, const std::string& text) {
  to.append_child(name).text().set(text.c_str());
}

// What an item's XML stands for.
std::string plain(const std::string& xml) {
  pugi::xml_document document;
  document.load_string(("<text>" + xml + "</text>").c_str(), pugi::parse_default | pugi::parse_ws_pcdata);
  return document.child("text").text().get();
}

void add_item(Node metadata, const std::string& key, const std::string& text) {
  Node item = metadata.append_child("MDI");
  item.append_attribute("key") = key.c_str();
  item.text().set(text.c_str());
}

// As GDAL reads it: by its code, or else in PROJ's terms.
std::string coordinate_system(const SceneTags& tags, const std::string& tiff) {
  if (tags.geo_key_directory.empty()) return "";
  if (const auto code = epsg_of(tags)) return "EPSG:" + std::to_string(*code);
  TiffFile file(tiff, TiffFile::Mode::read);
  const std::unique_ptr<GTIF, void (*)(GTIF*)> keys(GTIFNew(file.get()), GTIFFree);
  const std::unique_ptr<GTIFDefn, void (*)(GTIFDefn*)> defined(GTIFAllocDefn(), GTIFFreeDefn);
  if (!keys || !GTIFGetDefn(keys.get(), defined.get())) return "";
  const std::unique_ptr<char, void (*)(char*)> text(GTIFGetProj4Defn(defined.get()), GTIFFreeMemory);
  return text ? text.get() : "";
}

void add_georeference(Node vrt, const SceneTags& tags, const std::string& system) {
  const std::optional<GeoTransform> grid = geo_transform_of(tags);
  const bool points = !grid && tags.tiepoints.size() > 6;
  if (!system.empty() && !points) add(vrt, "SRS", system);
  if (grid) {
    std::string numbers;
    for (const double number : *grid) numbers += (numbers.empty() ? "" : ", ") + shortest_text(number);
    add(vrt, "GeoTransform", numbers);
  }
  if (!points) return;
  Node list = vrt.append_child("GCPList");
  list.append_attribute("Projection") = system.c_str();
  const double half = tags.pixel_is_point ? 0.5 : 0;
  for (size_t i = 0; i + 5 < tags.tiepoints.size(); i += 6) {
    const double* const p = &tags.tiepoints[i];
    Node point = list.append_child("GCP");
    point.append_attribute("Id") = std::to_string(i / 6 + 1).c_str();
    point.append_attribute("Pixel") = shortest_text(p[0] + half).c_str();
    point.append_attribute("Line") = shortest_text(p[1] + half).c_str();
    point.append_attribute("X") = shortest_text(p[3]).c_str();
    point.append_attribute("Y") = shortest_text(p[4]).c_str();
    point.append_attribute("Z") = shortest_text(p[5]).c_str();
  }
}

// The names of the RPC tag's 92 numbers (geotiff.maptools.org/rpc_prop.html).
void add_rpc(Node vrt, const std::vector<double>& rpc) {
  constexpr const char* kNames[] = {"ERR_BIAS",   "ERR_RAND",  "LINE_OFF",   "SAMP_OFF",
                                    "LAT_OFF",    "LONG_OFF",  "HEIGHT_OFF", "LINE_SCALE",
                                    "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE"};
  constexpr const char* kTwenty[] = {"LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"};
  if (rpc.size() != 92) return;
  Node metadata = vrt.append_child("Metadata");
  metadata.append_attribute("domain") = "RPC";
  size_t at = 0;
  for (const char* name : kNames) add_item(metadata, name, shortest_text(rpc[at++]));
  for (const char* name : kTwenty) {
    std::string numbers;
    for (int i = 0; i < 20; ++i) numbers += (i == 0 ? "" : " ") + shortest_text(rpc[at++]);
    add_item(metadata, name, numbers);
  }
}

// Of the picture (band -1) or of a band; what GDAL keeps as a band's own (scale, unit, ...) has a role.
void add_metadata(Node to, const std::vector<MetadataItem>& items, int band, bool point) {
  std::map<std::string, Node> domains;
  const auto domain = [&](const std::string& name) {
    Node& metadata = domains[name];
    if (!metadata) {
      metadata = to.append_child("Metadata");
      if (!name.empty()) metadata.append_attribute("domain") = name.c_str();
    }
    return metadata;
  };
  if (band < 0 && point) add_item(domain(""), "AREA_OR_POINT", "Point");
  for (const MetadataItem& item : items)
    if (item.band == band && item.role.empty()) add_item(domain(item.domain), item.name, plain(item.text));
}

const char* type_name(SampleType type) {
  constexpr const char* kNames[] = {"Byte",   "Int8",  "UInt16",  "Int16",
                                    "UInt32", "Int32", "Float32", "Float64"};
  return kNames[static_cast<int>(type)];
}

// As GDAL has it of a TIFF.
std::string meaning_of(const TiffInfo& info, int band) {
  if (const std::string told = colour_interpretation(info.tags.gdal_metadata, band); !told.empty())
    return told;
  constexpr const char *kRgb[] = {"Red", "Green", "Blue"}, *kInks[] = {"Cyan", "Magenta", "Yellow", "Black"};
  const int colours = info.bands - static_cast<int>(info.extra_samples.size());
  if (info.alpha_band() == band) return "Alpha";
  if (band >= colours) return "Undefined";
  if (info.photometric == PHOTOMETRIC_PALETTE) return "Palette";
  if (info.photometric == PHOTOMETRIC_RGB && band < 3) return kRgb[band];
  if (info.photometric == PHOTOMETRIC_SEPARATED && band < 4) return kInks[band];
  return band == 0 ? "Gray" : "Undefined";
}

// The index that stands for no data is transparent for GDAL.
void add_colours(Node band, const std::vector<uint16_t>& palette, std::optional<double> nodata) {
  Node table = band.append_child("ColorTable");
  for (size_t i = 0; i + 2 < palette.size(); i += 3) {
    Node entry = table.append_child("Entry");
    for (size_t c = 0; c < 3; ++c)
      entry.append_attribute(c == 0 ? "c1" : c == 1 ? "c2" : "c3") = palette[i + c] / 257;
    entry.append_attribute("c4") = nodata == static_cast<double>(i / 3) ? 0 : 255;
  }
}

void set_window(Node rectangle, int64_t y, int64_t width, int64_t rows) {
  rectangle.append_attribute("xOff") = 0;
  rectangle.append_attribute("yOff") = static_cast<long long>(y);
  rectangle.append_attribute("xSize") = static_cast<long long>(width);
  rectangle.append_attribute("ySize") = static_cast<long long>(rows);
}

void add_sources(Node band, const TiffInfo& info, const std::string& source, const char* type, int64_t block,
                 const std::vector<VrtPart>& parts) {
  for (const VrtPart& part : parts) {
    Node to = band.append_child("SimpleSource");
    add(to, "SourceFilename", std::filesystem::path(part.file).filename().string());
    to.child("SourceFilename").append_attribute("relativeToVRT") = 1;
    add(to, "SourceBand", source);
    Node properties = to.append_child("SourceProperties");
    properties.append_attribute("RasterXSize") = static_cast<long long>(info.width);
    properties.append_attribute("RasterYSize") = static_cast<long long>(info.height);
    properties.append_attribute("DataType") = type;
    for (const char* side : {"BlockXSize", "BlockYSize"})
      properties.append_attribute(side) = static_cast<long long>(block);
    set_window(to.append_child("SrcRect"), part.first, info.width, part.rows);
    set_window(to.append_child("DstRect"), part.first, info.width, part.rows);
  }
}

void add_band(Node vrt, const TiffInfo& info, int band, const std::vector<MetadataItem>& items, int64_t block,
              const std::vector<VrtPart>& parts) {
  const char* const type = type_name(info.type);
  Node to = vrt.append_child("VRTRasterBand");
  to.append_attribute("dataType") = type;
  to.append_attribute("band") = band + 1;
  add_metadata(to, items, band, false);
  const std::map<std::string, const char*> roles{
      {"description", "Description"}, {"unittype", "UnitType"}, {"offset", "Offset"}, {"scale", "Scale"}};
  for (const MetadataItem& item : items)
    if (const auto role = roles.find(item.role); item.band == band && role != roles.end())
      add(to, role->second, plain(item.text));
  if (!info.tags.gdal_nodata.empty()) add(to, "NoDataValue", info.tags.gdal_nodata);
  add(to, "ColorInterp", meaning_of(info, band));
  if (info.photometric == PHOTOMETRIC_PALETTE) add_colours(to, info.palette, info.nodata);
  add_sources(to, info, std::to_string(band + 1), type, block, parts);
}

}  // namespace

std::string vrt_name(const std::string& result) {
  return std::filesystem::path(result).replace_extension(".vrt").string();
}

std::string vrt_of(const TiffInfo& info, int64_t block, const std::vector<VrtPart>& parts) {
  pugi::xml_document document;
  Node vrt = document.append_child("VRTDataset");
  vrt.append_attribute("rasterXSize") = static_cast<long long>(info.width);
  vrt.append_attribute("rasterYSize") = static_cast<long long>(info.height);
  add_georeference(vrt, info.tags, coordinate_system(info.tags, parts.front().file));
  const std::vector<MetadataItem> items = metadata_items(info.tags.gdal_metadata);
  add_metadata(vrt, items, -1, info.tags.pixel_is_point);
  add_rpc(vrt, info.tags.rpc);
  for (int band = 0; band < info.bands; ++band) add_band(vrt, info, band, items, block, parts);
  if (info.has_mask) {
    Node mask = vrt.append_child("MaskBand").append_child("VRTRasterBand");
    mask.append_attribute("dataType") = "Byte";
    add_sources(mask, info, "mask,1", "Byte", block, parts);
  }
  std::ostringstream text;
  document.save(text, "  ", pugi::format_indent | pugi::format_no_declaration);
  return text.str();
}

}  // namespace sr
