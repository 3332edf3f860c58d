#include "io/tiff/tags/read_tags.h"

#include <geokeys.h>
#include <geotiff.h>
#include <geovalues.h>
#include <algorithm>

#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

#include "io/tiff/tags/side_files.h"

namespace sr {
namespace {

template <class T>
std::vector<T> array_tag(TiffFile& file, uint32_t tag) {
  uint16_t count = 0;
  const T* values = nullptr;
  if (!TIFFGetField(file.get(), tag, &count, &values) || !values) return {};
  return std::vector<T>(values, values + count);
}

std::vector<float> floats_tag(TiffFile& file, uint32_t tag, size_t count) {
  const float* values = nullptr;
  if (!TIFFGetField(file.get(), tag, &values) || !values) return {};
  return std::vector<float>(values, values + count);
}

std::string text_tag(TiffFile& file, uint32_t tag) {
  const char* text = nullptr;
  return TIFFGetField(file.get(), tag, &text) && text ? text : "";
}

uint16_t short_tag(TiffFile& file, uint32_t tag) {
  uint16_t value = 0;
  return TIFFGetField(file.get(), tag, &value) ? value : uint16_t{0};
}

double resolution_tag(TiffFile& file, uint32_t tag) {
  float value = 0;
  return TIFFGetField(file.get(), tag, &value) && std::isfinite(value) && value > 0 ? value : 0;
}

std::vector<uint8_t> bytes_tag(TiffFile& file, uint32_t tag) {
  uint32_t count = 0;
  const uint8_t* bytes = nullptr;
  if (!TIFFGetField(file.get(), tag, &count, &bytes) || !bytes) return {};
  return std::vector<uint8_t>(bytes, bytes + count);
}

// What cameras and picture editors say in forms of their own, which speak of sizes and places in the old
// file.
void note_foreign_metadata(TiffFile& file, std::vector<std::string>& notes) {
  constexpr std::pair<uint32_t, const char*> kKinds[] = {{TIFFTAG_EXIFIFD, "EXIF"},
                                                         {TIFFTAG_GPSIFD, "GPS"},
                                                         {TIFFTAG_RICHTIFFIPTC, "IPTC"},
                                                         {TIFFTAG_PHOTOSHOP, "Photoshop"}};
  std::string found;
  for (const auto& [tag, name] : kKinds)
    for (int i = 0; i < TIFFGetTagListCount(file.get()); ++i)
      if (TIFFGetTagListEntry(file.get(), i) == tag) found += (found.empty() ? "" : ", ") + std::string(name);
  if (!found.empty())
    notes.push_back("its metadata of the kind " + found + " is not in the result; keep the scene for it");
}

void ignore_message(GTIF*, int, const char*, ...) {}

bool is_pixel_is_point(TiffFile& file) {
  const std::unique_ptr<GTIF, void (*)(GTIF*)> keys(GTIFNewEx(file.get(), ignore_message, nullptr), GTIFFree);
  unsigned short raster_type = RasterPixelIsArea;
  return keys && GTIFKeyGetSHORT(keys.get(), GTRasterTypeGeoKey, &raster_type, 0, 1) == 1 &&
         raster_type == RasterPixelIsPoint;
}

// Nothing is hidden in an alpha band, which is the last one.
int bands_without_alpha(TiffFile& file) {
  uint16_t bands = 1, count = 0;
  const uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(file.get(), TIFFTAG_SAMPLESPERPIXEL, &bands);
  if (!TIFFGetField(file.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) return bands;
  const uint16_t last = kinds[count - 1];
  return last == EXTRASAMPLE_ASSOCALPHA || last == EXTRASAMPLE_UNASSALPHA ? std::max(1, bands - 1) : bands;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
  if (text[0] == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string colour_interpretation(const std::string& gdal_metadata, int band) {
  const size_t item = gdal_metadata.find("name=\"COLORINTERP\" sample=\"" + std::to_string(band) + "\"");
  const size_t start = gdal_metadata.find('>', item == std::string::npos ? gdal_metadata.size() : item);
  if (start == std::string::npos) return "";
  return gdal_metadata.substr(start + 1, gdal_metadata.find('<', start) - start - 1);
}

SceneTags read_scene_tags(TiffFile& file, std::vector<std::string>& notes) {
  SceneTags tags;
  tags.pixel_scale = array_tag<double>(file, kTagModelPixelScale);
  tags.tiepoints = array_tag<double>(file, kTagModelTiepoint);
  tags.transformation = array_tag<double>(file, kTagModelTransformation);
  tags.geo_key_directory = array_tag<uint16_t>(file, kTagGeoKeyDirectory);
  tags.geo_double_params = array_tag<double>(file, kTagGeoDoubleParams);
  tags.geo_ascii_params = text_tag(file, kTagGeoAsciiParams);
  tags.pixel_is_point = !tags.geo_key_directory.empty() && is_pixel_is_point(file);
  tags.rpc = array_tag<double>(file, kTagRpcCoefficient);
  tags.gdal_metadata = text_tag(file, kTagGdalMetadata);
  tags.gdal_nodata = text_tag(file, kTagGdalNodata);
  tags.icc_profile = bytes_tag(file, TIFFTAG_ICCPROFILE);
  tags.xmp = bytes_tag(file, TIFFTAG_XMLPACKET);
  tags.white_point = floats_tag(file, TIFFTAG_WHITEPOINT, 2);
  tags.primaries = floats_tag(file, TIFFTAG_PRIMARYCHROMATICITIES, 6);
  tags.x_resolution = resolution_tag(file, TIFFTAG_XRESOLUTION);
  tags.y_resolution = resolution_tag(file, TIFFTAG_YRESOLUTION);
  tags.resolution_unit = short_tag(file, TIFFTAG_RESOLUTIONUNIT);
  tags.orientation = short_tag(file, TIFFTAG_ORIENTATION);
  for (const TextTag& tag : kTextTags) tags.*tag.text = text_tag(file, tag.number);
  note_foreign_metadata(file, notes);
  read_side_files(file.path(), bands_without_alpha(file), tags, notes);
  return tags;
}

}  // namespace sr
