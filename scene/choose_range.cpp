#include "scene/choose_range.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "io/uniform.h"
#include "tensor/error.h"

namespace sr {
namespace {

constexpr double kMostUnseen = 0.5, kMostOutside = 0.5, kWidestOutside = 4;
constexpr double kLeastOfOneBand = 1.0 / 1000, kLeastOfAllBands = 1.0 / 32;
constexpr const char* kRecorded = "recorded with the weights";
constexpr const char* kRemedy =
    "; give ranges that fit with --value_range LOW,HIGH, or have them measured with --value_range scene";

// Small windows all over a scene, in the order in which a file is read; all of a scene that is no larger than
// they are.
std::vector<Window> spots(int64_t width, int64_t height) {
  constexpr int64_t kSide = 64, kAlong = 16;
  const auto starts = [&](int64_t length) {
    std::vector<int64_t> list;
    const int64_t count = std::min(kAlong, (length + kSide - 1) / kSide);
    for (int64_t i = 0; i < count; ++i) list.push_back(count == 1 ? 0 : i * (length - kSide) / (count - 1));
    return list;
  };
  std::vector<Window> list;
  for (const int64_t y : starts(height))
    for (const int64_t x : starts(width))
      list.push_back({x, y, std::min(kSide, width), std::min(kSide, height)});
  return list;
}

std::vector<Window> cores(const TileGrid& pieces) {
  std::vector<Window> list;
  for (int64_t i = 0; i < pieces.size(); ++i) list.push_back(pieces[i].core);
  return list;
}

// Reads windows into the meter until `enough`.
class Reading {
 public:
  Reading(TiffReader& reader, const BandList& copied, const SceneEvents& events)
      : reader_(reader), copied_(copied), info_(without_bands(reader.info(), copied)), events_(events) {}

  void operator()(
      const std::vector<Window>& windows, RangeMeter& meter,
      const std::function<bool()>& enough = [] { return false; }) {
    for (const Window& window : windows) {
      if (enough()) return;
      events_.progress(0, info_.width * info_.height);  // it may want to stop
      const Raster raster = without_bands(reader_.read(window), copied_);
      if (is_one_hole(raster)) continue;
      const Invalid invalid = may_have_holes(info_) ? find_invalid(raster, hole_rule(info_)) : Invalid();
      meter.add(raster, invalid, info_.alpha_band());
    }
  }

 private:
  // Most of a scene may be that, and its pixels tell nothing.
  bool is_one_hole(const Raster& raster) const {
    if (!may_have_holes(info_) || !only_pixel(raster)) return false;
    const Window& w = raster.window;
    const Invalid invalid = find_invalid(cut(raster, {w.x, w.y, 1, 1}), hole_rule(info_));
    return std::find(invalid.begin(), invalid.end(), kSeen) == invalid.end();
  }

  TiffReader& reader_;
  const BandList& copied_;
  const TiffInfo info_;
  const SceneEvents& events_;
};

bool has_constant(const RangeMeter& meter) {
  for (int band = 0; band < meter.bands(); ++band)
    if (meter.is_constant(band)) return true;
  return false;
}

bool holds_wide_samples(const TiffInfo& info) {
  return info.type == SampleType::i32 || info.type == SampleType::u32 || info.type == SampleType::f64;
}

// One for each band that the network is for.
ValueRanges for_each_band(const ValueRanges& ranges, size_t bands, ColourMode mode, const char* what) {
  if (ranges.size() != 1 && ranges.size() != bands)
    throw Error(Error::Kind::usage, what, " for ", ranges.size(), " bands, the scene has ", bands,
                " without alpha", kRemedy);
  ValueRanges list;
  for (size_t band = 0; band < bands; ++band) list.push_back(range_of(ranges, static_cast<int64_t>(band)));
  if (mode == ColourMode::luma && numbers_of(list).size() > 2)
    throw Error(Error::Kind::usage, what, " of ", text_of(list),
                ": luma is made of bands of one range; give one pair, or take --colour_mode per_band");
  return list;
}

ValueRanges measured(const RangeMeter& meter, ColourMode mode) {
  const ValueRanges ranges = meter.ranges();
  return mode == ColourMode::luma ? common(ranges) : mode == ColourMode::joint ? joined(ranges) : ranges;
}

// What alpha is enlarged on.
ValueRange range_of_alpha(SampleType type) {
  if (type == SampleType::f32 || type == SampleType::f64) return {0, 1};
  return {0, std::exp2(8.0 * static_cast<double>(bytes_of(type))) - 1};
}

// By the input's bits; a tag may say so too, if the samples bear it out.
double top_of(const TiffInfo& info, const RangeMeter& meter) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int band = 0; band < meter.bands(); ++band) largest = std::max(largest, meter.largest(band));
  if (info.significant_bits < 8 * bytes_of(info.type)) return std::exp2(info.significant_bits) - 1;
  if (info.declared_top && largest <= *info.declared_top) return *info.declared_top;
  return std::numeric_limits<double>::infinity();
}

// A band of one value stays that value, to the bit: the network sees zero padding at the scene's border, and
// may add something to an even field as well.
void set_constant_bands(SceneSettings& s, ValueRanges& ranges, const RangeMeter& meter,
                        const std::vector<int>& colours, const SceneEvents& events) {
  std::vector<int> told;
  for (int k = 0; k < meter.bands(); ++k) {
    if (!meter.is_constant(k)) continue;
    s.constant_bands.push_back(colours[static_cast<size_t>(k)]);
    if (meter.least(k) == meter.largest(k)) told.push_back(colours[static_cast<size_t>(k)]);
  }
  // Luma, and networks that take bands together, see those beside others on their range.
  const bool own = s.mode == ColourMode::per_band || s.constant_bands.size() == colours.size();
  for (int k = 0; own && k < meter.bands(); ++k)
    if (meter.is_constant(k)) ranges[static_cast<size_t>(k)] = meter.range(k);
  if (!told.empty()) {
    for (int& band : told) band = file_band(band, s.copied_bands);
    events.say("one value all over, which stays: " + named(told));
  }
}

}  // namespace

std::string misfit(const RangeMeter& meter, const ValueRanges& expected, const std::vector<int>& bands) {
  const std::string ranges = "samples of " + text_of(meter.ranges(), bands, kMostTold) + ", ranges of " +
                             text_of(expected, bands, kMostTold) + ": ";
  double most = 0;
  bool varies = false;
  for (int band = 0; band < meter.bands(); ++band) {
    if (meter.unseen(band) > kMostUnseen)
      return ranges + "more than half of the samples lie beyond what the network sees of them";
    if (meter.is_constant(band)) continue;
    const double used = meter.range(band).width() / range_of(expected, band).width();
    if (used > kWidestOutside && meter.outside(band) > kMostOutside)
      return ranges + "samples spread over more than four times a range, and most of them lie beyond it";
    if (used < kLeastOfOneBand) return ranges + "less than a thousandth of a range is used";
    most = std::max(most, used), varies = true;
  }
  if (varies && most < kLeastOfAllBands) return ranges + "less than a thirty-second of the ranges is used";
  return "";
}

std::optional<KnownRanges> known_ranges(const SceneSettings& s, const TiffInfo& info, const Model* model,
                                        const SceneOptions& options) {
  const size_t bands = s.colour_bands().size();
  const auto all = [&](const ValueRange& range) { return KnownRanges{ValueRanges(bands, range), ""}; };
  if (!options.value_ranges.empty())
    return KnownRanges{for_each_band(options.value_ranges, bands, s.mode, "value ranges"), "as given"};
  if (const auto of_type = range_of_type(info); of_type && !options.measure_range) return all(*of_type);
  if (model && !model->ranges.empty() && !options.measure_range)
    return KnownRanges{for_each_band(model->ranges, bands, s.mode, "the weights record value ranges"),
                       kRecorded};
  // The bicubic part alone needs none where float32 holds every sample.
  if (!model && !holds_wide_samples(info)) return all({0, 1});
  return {};
}

ValueRanges with_alpha(const SceneSettings& s, ValueRanges ranges, SampleType type) {
  if (s.alpha_band) ranges.insert(ranges.begin() + *s.alpha_band, range_of_alpha(type));
  return ranges;
}

std::string choose_ranges(SceneSettings& s, TiffReader& reader, const Model* model,
                          const SceneOptions& options, TileGrid pieces, const SceneEvents& events) {
  const TiffInfo& info = reader.info();
  const std::vector<int> colours = s.colour_bands();
  if (colours.empty()) return "";
  pieces.region = {};  // a part of the scene has the whole scene's ranges
  const auto bands = static_cast<int>(colours.size());
  std::vector<int> names;  // for people, who count the bands of the file
  for (const int band : colours) names.push_back(file_band(band, s.copied_bands));
  Reading read(reader, s.copied_bands, events);
  RangeMeter meter(bands, info.width * info.height);
  const std::optional<KnownRanges> known = known_ranges(s, info, model, options);
  if (known && known->source == kRecorded) {
    RangeMeter seen(bands, 0, known->ranges);
    read(spots(info.width, info.height), seen);
    if (const std::string why = misfit(seen, known->ranges, names); !why.empty())
      throw Error(Error::Kind::usage, "the value range recorded with the weights does not fit: ", why,
                  kRemedy);
    meter = seen;
  }
  if (!known) read(cores(pieces), meter);
  KnownRanges chosen = known ? *known : KnownRanges{measured(meter, s.mode), "measured over the scene"};
  if (!chosen.source.empty())
    events.say("value range " + text_of(chosen.ranges, names, kMostTold) + " (" + chosen.source + ")");
  for (const ValueRange& range : known ? ValueRanges() : chosen.ranges)
    if (const std::string note = note_beside_nodata(range, s.nodata); !note.empty()) {
      events.say(note);
      break;
    }
  const auto enough = [&] { return !known || (!info.declared_top && !has_constant(meter)); };
  read(spots(info.width, info.height), meter, enough);
  read(cores(pieces), meter, enough);
  s.top = top_of(info, meter);
  set_constant_bands(s, chosen.ranges, meter, colours, events);
  s.ranges = with_alpha(s, chosen.ranges, info.type);
  return chosen.source;
}

}  // namespace sr
