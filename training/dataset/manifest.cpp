#include "training/dataset/manifest.h"

#include "io/json_text.h"
#include "io/output_file.h"
#include "tensor/error.h"

namespace sr {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kFormat = "superres training data";
constexpr int kVersion = 1;
constexpr size_t kMaxBytes = size_t{512} << 20;
constexpr int64_t kMaxValues = 64'000'000;  // those of the tiles are not kept
constexpr int64_t kMaxFiles = 100'000;
constexpr const char* kModes[] = {"luma", "per_band", "joint"};
constexpr const char* kLumas[] = {"bt601_full", "bt601_studio"};
constexpr const char* kTypes[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"};
constexpr const char* kKernel =
    "bicubic, a = -1/2, half-pixel centres, edges mirrored, antialiased; each tile an image of its own";

ordered_json to_json(const ManifestFile& file) {
  ordered_json tiles = ordered_json::array();
  for (const TileOrigin& t : file.tiles)
    tiles.push_back(
        {t.source, t.window.x, t.window.y, t.window.w, t.window.h, t.width, t.height, t.symmetry});
  return {{"name", file.name},
          {"records", file.records},
          {"bytes", file.bytes},
          {"crc32c", file.crc32c},
          {"tiles", tiles}};
}

ordered_json to_json(const ManifestSource& s) {
  ordered_json j{{"name", s.name}, {"width", s.width}, {"height", s.height}, {"tiles", s.tiles}};
  if (!s.pair.empty()) j["pair"] = s.pair;
  if (s.no_data > 0) j["no_data"] = s.no_data;
  if (s.flat > 0) j["flat"] = s.flat;
  if (s.left_out > 0) j["left_out"] = s.left_out;
  return j;
}

template <class List>
int index_of(const List& names, const json& value, const char* what) {
  const auto& name = value.get_ref<const std::string&>();
  int i = 0;
  for (const char* known : names) {
    if (name == known) return i;
    ++i;
  }
  throw Error(Error::Kind::unsupported, what, " '", name, "' is unknown to this version");
}

int64_t whole_number(const json& value, int64_t least, int64_t most, const char* what) {
  if (!value.is_number_integer()) throw Error(Error::Kind::format, what, " is not a whole number");
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
  const int64_t number = fits ? value.get<int64_t>() : INT64_MAX;
  if (!fits || number < least || number > most)
    throw Error(Error::Kind::format, what, " is ", value.dump(), "; ", least, " to ", most, " are possible");
  return number;
}

std::vector<double> means_of(const json& j, int nchan) {
  const auto list = j.get<std::vector<double>>();
  if (list.size() != static_cast<size_t>(nchan))
    throw Error(Error::Kind::format, "mean_values has ", list.size(), " numbers for ", nchan, " channels");
  return list;
}

DatasetInfo info_from_json(const json& j) {
  constexpr int kMaxBands = 65535;
  DatasetInfo info;
  info.factor = static_cast<int>(whole_number(j.at("factor"), 2, 4, "factor"));
  info.nchan = static_cast<int>(whole_number(j.at("nchan"), 1, kMaxBands, "nchan"));
  info.bands = static_cast<int>(whole_number(j.at("bands"), 1, kMaxBands, "bands"));
  info.type = static_cast<SampleType>(index_of(kTypes, j.at("sample_type"), "sample_type"));
  info.unrounded = j.at("unrounded").get<bool>();
  info.pairs = j.at("pairs").get<bool>();
  info.mode = static_cast<ColourMode>(index_of(kModes, j.at("colour_mode"), "colour_mode"));
  info.luma = static_cast<LumaConvention>(index_of(kLumas, j.at("luma"), "luma"));
  if (info.nchan != (info.mode == ColourMode::joint ? info.bands : 1) ||
      (info.mode == ColourMode::luma && info.bands != 1))
    throw Error(Error::Kind::format, "nchan ", info.nchan, " and bands ", info.bands, " contradict ",
                kModes[static_cast<int>(info.mode)]);
  info.ranges = ranges_from(j.at("value_range").get<std::vector<double>>());
  if (info.ranges.size() != 1 && std::ssize(info.ranges) != info.bands)
    throw Error(Error::Kind::format, "value_range has ", info.ranges.size(), " pairs for ", info.bands,
                " bands");
  const json& means = j.at("mean_values");
  info.means = {means_of(means.at("gt"), info.nchan), means_of(means.at("down"), info.nchan),
                means_of(means.at("bic_up"), info.nchan)};
  const json& tile = j.at("options").at("tile_size");
  info.tile_w = whole_number(tile.at(0), 1, INT64_MAX, "tile_size");
  info.tile_h = whole_number(tile.at(1), 1, INT64_MAX, "tile_size");
  info.training_tiles = whole_number(j.at("training_tiles"), 1, INT64_MAX, "training_tiles");
  info.validation_tiles = whole_number(j.at("validation_tiles"), 1, INT64_MAX, "validation_tiles");
  return info;
}

std::vector<ManifestFile> files_from_json(const json& list) {
  if (!list.is_array() || list.empty() || list.size() > kMaxFiles)
    throw Error(Error::Kind::format, "files must be a list of at most ", kMaxFiles);
  std::vector<ManifestFile> files;
  for (const json& j : list) {
    ManifestFile file;
    file.name = j.at("name").get<std::string>();
    if (file.name.size() > 256 || file.name.find("..") != std::string::npos ||
        (!file.name.starts_with("Training/") && !file.name.starts_with("Validation/")))
      throw Error(Error::Kind::format, "file '", file.name.substr(0, 256),
                  "' lies neither in Training nor in Validation");
    file.records = whole_number(j.at("records"), 1, INT32_MAX, "records");
    file.bytes = static_cast<uint64_t>(whole_number(j.at("bytes"), 1, INT64_MAX, "bytes"));
    file.crc32c = static_cast<uint32_t>(whole_number(j.at("crc32c"), 0, UINT32_MAX, "crc32c"));
    files.push_back(file);
  }
  return files;
}

}  // namespace

void save_manifest(const std::string& path, const Manifest& manifest) {
  const DatasetInfo& i = manifest.info;
  ordered_json j{{"format", kFormat},
                 {"version", kVersion},
                 {"origin", manifest.origin},
                 {"factor", i.factor},
                 {"kernel", i.pairs ? "real pairs; bic_up: bicubic, a = -1/2" : kKernel},
                 {"unrounded", i.unrounded},
                 {"pairs", i.pairs},
                 {"sample_type", name_of(i.type)},
                 {"bands", i.bands},
                 {"nchan", i.nchan},
                 {"colour_mode", kModes[static_cast<int>(i.mode)]},
                 {"luma", kLumas[static_cast<int>(i.luma)]},
                 {"value_range", numbers_of(i.ranges)},
                 {"mean_values", {{"gt", i.means.gt}, {"down", i.means.down}, {"bic_up", i.means.bic_up}}},
                 {"training_tiles", i.training_tiles},
                 {"validation_tiles", i.validation_tiles},
                 {"options", ordered_json::parse(manifest.options)}};
  j["sources"] = ordered_json::array();
  for (const ManifestSource& source : manifest.sources) j["sources"].push_back(to_json(source));
  j["files"] = ordered_json::array();
  for (const ManifestFile& file : manifest.files) j["files"].push_back(to_json(file));
  // One line a member, source and file: readable, and not a line for each number.
  std::string text = "{";
  for (const auto& [key, value] : j.items()) {
    text += (text.size() > 1 ? ",\n " : "\n ") + ordered_json(key).dump() + ": ";
    if (!value.is_array() || key == "value_range") {
      text += value.dump(-1, ' ', false, json::error_handler_t::replace);
      continue;
    }
    text += "[";
    for (size_t n = 0; n < value.size(); ++n)
      text += (n > 0 ? ",\n  " : "\n  ") + value[n].dump(-1, ' ', false, json::error_handler_t::replace);
    text += "]";
  }
  write_file(path, text + "\n}\n");
}

Manifest load_manifest(const std::string& path) {
  const std::string text = read_file(path, kMaxBytes);
  const auto keep = [](int, json::parse_event_t event, json& value) {
    return event != json::parse_event_t::key || (value != "tiles" && value != "sources");
  };
  const json j = parse_json(text, kMaxValues, keep);
  const std::string remedy = "; make the data set again with create_training_dataset";
  if (!j.is_object() || !j.contains("format") || j["format"] != kFormat)
    throw Error(Error::Kind::format, path, ": not the manifest of a training data set", remedy);
  try {
    if (whole_number(j.at("version"), 1, INT32_MAX, "version") > kVersion)
      throw Error(Error::Kind::unsupported, "made by a newer version of the program");
    Manifest manifest;
    manifest.info = info_from_json(j);
    manifest.files = files_from_json(j.at("files"));
    return manifest;
  } catch (const json::exception&) {
    throw Error(Error::Kind::format, path, ": a member is missing or of the wrong type", remedy);
  } catch (const Error& e) {
    throw Error(e.kind(), path, ": ", e.what(), remedy);
  }
}

}  // namespace sr
