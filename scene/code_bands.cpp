#include "scene/code_bands.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <limits>
#include <set>
#include <string_view>

#include "io/counted.h"
#include "io/output_file.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr size_t kFewValues = 64;
constexpr uint16_t kRgb = 2;

// Nine windows spread over the scene, from top to bottom; small ones where a pixel has many bands.
std::vector<Window> some_windows(const TiffInfo& info) {
  constexpr int64_t kSide = 128, kBytes = 1 << 20;
  const int64_t w = std::min(info.width, kSide);
  const int64_t fit = kBytes / (w * info.bands * bytes_of(info.type));
  const int64_t h = std::min({info.height, kSide, std::max<int64_t>(1, fit)});
  std::vector<Window> windows;
  for (int64_t i = 0; i < 3; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      const Window window{(info.width - w) * j / 2, (info.height - h) * i / 2, w, h};
      if (windows.empty() || !(window == windows.back())) windows.push_back(window);
    }
  return windows;
}

/// What was seen of one band.
struct BandLook {
  std::set<double> values;                       // no more are kept once there are too many
  std::vector<std::pair<double, double>> steps;  // between neighbours that differ
  int64_t pairs = 0;

  bool many() const { return values.size() > kFewValues; }
  bool looks_like_codes() const;
  double smallest_gap() const;
};

double BandLook::smallest_gap() const {
  double smallest = std::numeric_limits<double>::infinity();
  for (auto value = std::next(values.begin()); value != values.end(); ++value)
    smallest = std::min(smallest, *value - *std::prev(value));
  return smallest;
}

bool BandLook::looks_like_codes() const {
  constexpr double kWide = 16;  // a stretched picture's values lie less unevenly
  if (many() || values.size() < 2 || pairs == 0) return false;
  if (2 * std::ssize(steps) > pairs) return false;
  if (values.size() == 2) return true;
  // A picture of few values goes through those between, and has hardly a gap that is far wider than others.
  const double width = kWide * smallest_gap();
  int64_t far = 0, wide = 0;
  for (const auto& step : steps) {
    const auto [low, high] = std::minmax(step.first, step.second);
    far += *std::next(values.find(low)) != high;
    wide += high - low >= width;
  }
  return 4 * far >= std::ssize(steps) || 10 * wide >= std::ssize(steps);
}

void look_at(const Raster& raster, int band, std::optional<double> nodata, BandLook& look) {
  with_sample_type(raster.type, [&](auto zero) {
    const auto* const samples = raster.data<decltype(zero)>() + band;
    for (int64_t y = 0; y < raster.window.h; ++y)
      for (int64_t x = 0; x < raster.window.w && !look.many(); ++x) {
        const int64_t at = y * raster.window.w + x;
        const auto sample = [&](int64_t p) { return static_cast<double>(samples[p * raster.bands]); };
        const auto counts = [&](int64_t p) {
          return sample(p) == sample(p) && sample(p) != nodata &&
                 (raster.mask.empty() || raster.mask[static_cast<size_t>(p)]);
        };
        if (!counts(at)) continue;
        look.values.insert(sample(at));
        if (x == 0 || !counts(at - 1)) continue;
        ++look.pairs;
        if (sample(at) != sample(at - 1)) look.steps.emplace_back(sample(at - 1), sample(at));
      }
  });
}

std::vector<BandLook> look_at_bands(TiffReader& reader, const BandList& bands) {
  std::vector<BandLook> looks(bands.size());
  for (const Window& window : some_windows(reader.info())) {
    const Raster raster = reader.read(window);
    for (size_t i = 0; i < bands.size(); ++i) look_at(raster, bands[i], reader.info().nodata, looks[i]);
  }
  return looks;
}

std::vector<std::string> names_of_bands(const TiffInfo& info) {
  std::vector<std::string> names(static_cast<size_t>(info.bands));
  for (const MetadataItem& item : metadata_items(info.tags.gdal_metadata))
    if (item.name == "DESCRIPTION" && item.band >= 0 && item.band < info.bands)
      names[static_cast<size_t>(item.band)] = item.text;
  return names;
}

bool names_codes(const std::string& name) {
  constexpr std::string_view kWords[] = {
      "scl",   "qa",     "bqa",   "class",  "classes",   "classification", "mask", "fmask", "cfmask",
      "cloud", "clouds", "label", "labels", "landcover", "category",       "flag", "flags", "contributor"};
  std::string word;
  for (size_t i = 0; i <= name.size(); ++i) {
    const auto c = i < name.size() ? static_cast<unsigned char>(name[i]) : 0;
    if (std::isalpha(c)) {
      word += static_cast<char>(std::tolower(c));
      continue;
    }
    if (std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords)) return true;
    word.clear();
  }
  return false;
}

// GDAL keeps names of categories, and tables of what they mean, beside a TIFF.
bool categories_beside(const std::string& path) {
  constexpr size_t kBytes = 1 << 20;
  try {
    const std::string text = read_file_part(path + ".aux.xml", 0, kBytes);
    return text.find("<CategoryNames") != std::string::npos ||
           text.find("<GDALRasterAttributeTable") != std::string::npos;
  } catch (const Error&) {
    return false;  // there is no such file
  }
}

}  // namespace

std::string sign_of_classes(const std::string& path, const TiffLimits& limits) {
  TiffReader reader(path, limits, SampleReading::codes);
  const TiffInfo& info = reader.info();
  if (info.palette.empty()) return "";
  if (info.nodata) return "has a nodata value";
  for (const MetadataItem& item : metadata_items(info.tags.gdal_metadata))
    if (item.band == 0 && !item.name.starts_with("STATISTICS_") && item.name != "COLORINTERP")
      return "has texts for its band (" + item.name + ")";
  if (categories_beside(path)) return "has categories in the .aux.xml beside it";
  const BandLook look = look_at_bands(reader, {0}).front();
  return look.many() ? "" : "uses " + counted(std::ssize(look.values), "colour");
}

std::string hint_of_codes(TiffReader& reader, const BandList& copied) {
  const TiffInfo& info = reader.info();
  const int declared = info.photometric == kRgb ? 3 : 0;  // colours, however few values they have
  const std::vector<std::string> names = names_of_bands(info);
  BandList suspects, found;  // suspects: by their samples
  for (int b = 0; b < info.bands; ++b) {
    if (b == info.alpha_band() || std::binary_search(copied.begin(), copied.end(), b)) continue;
    if (names_codes(names[static_cast<size_t>(b)]))
      found.push_back(b);
    else if (b >= declared)
      suspects.push_back(b);
  }
  if (!suspects.empty()) {
    const std::vector<BandLook> looks = look_at_bands(reader, suspects);
    for (size_t i = 0; i < suspects.size(); ++i)
      if (looks[i].looks_like_codes()) found.push_back(suspects[i]);
  }
  if (found.empty()) return "";
  std::sort(found.begin(), found.end());
  std::string bands, numbers;
  for (const int b : found) {
    const std::string number = std::to_string(b + 1), name = names[static_cast<size_t>(b)].substr(0, 40);
    bands += (bands.empty() ? "" : ", ") + number + (name.empty() ? "" : " (" + name + ")");
    numbers += (numbers.empty() ? "" : ",") + number;
  }
  const bool several = found.size() > 1;
  return (several ? "bands " : "band ") + bands + (several ? " look" : " looks") +
         " like codes, not a picture: --copy_bands " + numbers + " keeps " + (several ? "their" : "its") +
         " values";
}

}  // namespace sr
