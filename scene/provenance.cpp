#include "scene/provenance.h"

namespace sr {
namespace {

constexpr uint16_t kPalette = 3;

std::string numbers_of(const BandList& bands) {
  std::string text;
  for (const int band : bands) text += (text.empty() ? "" : ",") + std::to_string(band + 1);
  return text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> provenance(const Origin& origin, const TiffInfo& info,
                                                            const SceneSettings& s, const Model* model,
                                                            const std::string& precision) {
  std::vector<std::pair<std::string, std::string>> items;
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) items.emplace_back(std::string("SUPERRES_") + name, text);
  };
  add("SOFTWARE", origin.software);
  add("METHOD", s.bands == 0 ? "copied" : model ? "network" : "bicubic");
  add("FACTOR", std::to_string(s.factor));
  if (s.bands > 0 && model) {
    add("WEIGHTS", origin.weights);
    add("MEAN_VALUES", origin.mean_values);
    if (!model->has_base()) add("BASE", name_of(model->options().base));
    add("COLOUR_MODE", name_of(s.mode));
    std::vector<int> bands = s.colour_bands();
    for (int& band : bands) band = file_band(band, s.copied_bands);
    add("VALUE_RANGE", text_of(s.colour_ranges(), bands));
    add("PRECISION", precision);
  }
  add("COPIED_BANDS", numbers_of(s.copied_bands));
  if (!info.palette.empty()) add("PALETTE", info.photometric == kPalette ? "copy" : "rgb");
  return items;
}

}  // namespace sr
