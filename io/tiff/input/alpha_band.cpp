#include "io/tiff/input/alpha_band.h"

#include <tiff.h>

#include <string>

#include "io/tiff/tags/read_tags.h"
#include "tensor/error.h"

namespace sr {
namespace {

bool is_alpha(uint16_t kind) {
  return kind == EXTRASAMPLE_ASSOCALPHA || kind == EXTRASAMPLE_UNASSALPHA;
}

int first_extra(const TiffInfo& info) {
  return info.bands - static_cast<int>(info.extra_samples.size());
}

// Puts another word into the item that tells of a band's colour, if there is one.
void set_colour_interpretation(std::string& gdal_metadata, int band, const std::string& meaning) {
  const std::string old = colour_interpretation(gdal_metadata, band);
  if (old.empty()) return;
  const size_t item = gdal_metadata.find("name=\"COLORINTERP\" sample=\"" + std::to_string(band) + "\"");
  gdal_metadata.replace(gdal_metadata.find('>', item) + 1, old.size(), meaning);
}

}  // namespace

// GDAL 3.6 to 3.10: the last of two or four bands, of 8 or 16 bits. Tagged elsewhere it is no mask.
std::optional<int> TiffInfo::alpha_band() const {
  if (asked_alpha) return *asked_alpha == kNoAlpha ? std::nullopt : asked_alpha;
  const bool masks = (bands == 2 || bands == 4) && (type == SampleType::u8 || type == SampleType::u16);
  if (!masks || extra_samples.empty() || !is_alpha(extra_samples.back())) return std::nullopt;
  return bands - 1;
}

bool TiffInfo::premultiplied() const {
  const std::optional<int> alpha = alpha_band();
  return alpha && extra_samples[static_cast<size_t>(*alpha - first_extra(*this))] == EXTRASAMPLE_ASSOCALPHA;
}

void correct_extra_samples(TiffInfo& info) {
  for (size_t i = 0; i < info.extra_samples.size(); ++i) {
    const std::string meaning =
        colour_interpretation(info.tags.gdal_metadata, first_extra(info) + static_cast<int>(i));
    if (meaning == "Alpha" && !is_alpha(info.extra_samples[i]))
      info.extra_samples[i] = EXTRASAMPLE_UNASSALPHA;
    if (!meaning.empty() && meaning != "Alpha") info.extra_samples[i] = EXTRASAMPLE_UNSPECIFIED;
  }
  for (size_t i = 0; i < info.extra_samples.size(); ++i) {
    const int band = first_extra(info) + static_cast<int>(i);
    if (!is_alpha(info.extra_samples[i]) || info.alpha_band() == band) continue;
    info.notes.push_back("band " + std::to_string(band + 1) +
                         " is tagged as alpha, but hides nothing (for GDAL only the last of 2 or 4 bands of "
                         "8 or 16 bits does) and is taken for picture; --alpha " +
                         std::to_string(band + 1) + " makes it alpha");
  }
}

void choose_alpha(TiffInfo& info, int band) {
  const int first = first_extra(info);
  if (band != kNoAlpha && (band < first || band >= info.bands))
    throw Error(Error::Kind::usage, "--alpha ", band + 1, ": the scene has ", info.bands, " bands, and ",
                first == info.bands ? "all of them are colours"
                                    : "only those from " + std::to_string(first + 1) + " on can be alpha");
  for (size_t i = 0; i < info.extra_samples.size(); ++i) {
    const int here = first + static_cast<int>(i);
    uint16_t& kind = info.extra_samples[i];
    if (here != band) {
      if (colour_interpretation(info.tags.gdal_metadata, here) == "Alpha")
        set_colour_interpretation(info.tags.gdal_metadata, here, "Undefined");
      if (is_alpha(kind)) kind = EXTRASAMPLE_UNSPECIFIED;
    } else {
      set_colour_interpretation(info.tags.gdal_metadata, here, "Alpha");
      if (!is_alpha(kind)) kind = EXTRASAMPLE_UNASSALPHA;
    }
  }
  std::erase_if(info.notes,
                [](const std::string& note) { return note.find("--alpha") != std::string::npos; });
  info.asked_alpha = band;
}

}  // namespace sr
