#include "training/dataset/scan.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <new>
#include <optional>

#include "io/counted.h"
#include "scene/choose_range.h"
#include "scene/code_bands.h"
#include "tensor/error.h"

namespace sr {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxTiles = 2'000'000;  // of one image: their list is held in memory
constexpr uint16_t kPhotometricRgb = 2;

// What is known of an image before its pixels were looked at.
struct Candidate {
  ScannedImage image;
  SampleType type = SampleType::u8;
  bool rgb8 = false, grey8 = false;
  std::optional<ValueRange> range;  // of the type
};

void check(const DatasetOptions& o) {
  if (o.tile_w < o.factor || o.tile_h < o.factor || o.tile_w % o.factor || o.tile_h % o.factor)
    throw Error(Error::Kind::usage, "tiles of ", o.tile_w, " x ", o.tile_h,
                ": both must be multiples of the factor ", o.factor);
  if (std::find(o.scales.begin(), o.scales.end(), 1.0) == o.scales.end())
    throw Error(Error::Kind::usage, "--scales: 1 must be among them, validation tiles are cut at it");
  for (const double s : o.scales)
    if (!(s >= 0.1 && s <= 1)) throw Error(Error::Kind::usage, "--scales: ", s, "; 0.1 to 1 are possible");
  if (o.scales.size() > 1 && !o.pair_path.empty())
    throw Error(Error::Kind::usage,
                "--scales or --augment with --pair_path: a pair that is shrunk no longer ",
                "shows what the two sensors see; leave them out");
  if (o.nchan > 1 && o.mode && *o.mode != ColourMode::joint)
    throw Error(Error::Kind::usage, "--nchan ", o.nchan, " with --colour_mode ", name_of(*o.mode),
                ": its network has one channel; leave --nchan out or choose joint");
}

// Nothing is to be learnt from the borders of classes.
void refuse_classes(const std::string& path) {
  if (const std::string sign = sign_of_classes(path, kTrainingLimits); !sign.empty())
    throw Error(
        Error::Kind::unsupported, path, ": its palette ", sign,
        ": it looks like a map of classes, which is no picture; if it is one, expand its colours first, "
        "for example with gdal_translate -expand rgb");
}

Candidate inspect(const std::string& path, const DatasetOptions& o, const DatasetEvents& events) {
  Candidate c;
  c.image.path = path;
  if (!o.pair_path.empty()) {
    c.image.pair = (fs::path(o.pair_path) / fs::path(path).filename()).string();
    if (std::error_code ignored; !fs::exists(c.image.pair, ignored))
      throw Error(Error::Kind::io, path, ": has no pair ", c.image.pair,
                  "; --pair_path wants a finer image of the same name");
  }
  const TrainingSource source(path, c.image.pair, o.factor);
  const TiffInfo& info = source.info();
  if (!info.palette.empty()) refuse_classes(source.is_pair() ? c.image.pair : path);
  for (const std::string& note : info.notes) events.say(fs::path(path).filename().string() + ": " + note);
  c.image.width = info.width;
  c.image.height = info.height;
  c.image.bands = colour_bands(info);
  const size_t bands = c.image.bands.size();
  c.type = info.type;
  c.rgb8 = info.type == SampleType::u8 && info.photometric == kPhotometricRgb && bands == 3;
  c.grey8 = info.type == SampleType::u8 && bands == 1;
  c.range = range_of_type(info);
  if (info.width < o.factor || info.height < o.factor)
    throw Error(Error::Kind::shape, path, ": ", info.width, " x ", info.height,
                " pixels are too few for factor ", o.factor);
  if (bands == 0) throw Error(Error::Kind::unsupported, path, ": has no band besides alpha");
  plan_training_tiles(c.image, o);  // or refuse
  return c;
}

std::vector<Candidate> inspect_all(const std::vector<std::string>& images, const DatasetOptions& o,
                                   const DatasetEvents& events) {
  std::vector<Candidate> candidates;
  for (const std::string& path : images) {
    events.progress(0, 1);
    try {
      candidates.push_back(inspect(path, o, events));
    } catch (const Error& e) {
      events.failed(e.what());
    } catch (const std::bad_alloc&) {
      events.failed(path + ": out of memory; cut it into smaller images");
    }
  }
  return candidates;
}

TileForm form_for(const Candidate& reference, const DatasetOptions& o) {
  const auto bands = static_cast<int>(reference.image.bands.size());
  TileForm form;
  form.factor = o.factor;
  form.luma = o.luma;
  form.type = reference.type;
  form.unrounded = o.unrounded;
  if (o.mode)
    form.mode = *o.mode;
  else if (o.nchan > 1)
    form.mode = ColourMode::joint;
  else
    form.mode = reference.rgb8 ? ColourMode::luma : ColourMode::per_band;
  form.bands = form.mode == ColourMode::luma ? 1 : bands;
  const std::string seen =
      reference.image.path + " has " + counted(bands, "band") + " of " + sr::name_of(reference.type);
  if (form.mode == ColourMode::luma && bands != 1 && bands != 3)
    throw Error(Error::Kind::usage, "--colour_mode luma: ", seen, "; luma is made of three, take per_band");
  if (form.mode == ColourMode::luma && o.luma == LumaConvention::studio && form.type != SampleType::u8)
    throw Error(Error::Kind::usage, "--luma studio: ", seen, "; it is defined for 8 bits, take full");
  if (o.value_ranges.size() > 1 && std::ssize(o.value_ranges) != form.bands)
    throw Error(Error::Kind::usage, "--value_range for ", o.value_ranges.size(), " bands: ", seen, ", ",
                form.bands, " of which ", form.bands == 1 ? "is" : "are",
                " stored; give one pair, or one for each");
  if (form.mode == ColourMode::joint && o.nchan > 0 && o.nchan != bands)
    throw Error(Error::Kind::usage, "--nchan ", o.nchan, ": ", seen, "; take --nchan ", bands);
  return form;
}

// The first image decides how tiles are stored. Grey ones fit luma too, so another decides if there is one.
const Candidate& reference_of(const std::vector<Candidate>& candidates) {
  const auto other =
      std::find_if(candidates.begin(), candidates.end(), [](const Candidate& c) { return !c.grey8; });
  return other == candidates.end() ? candidates.front() : *other;
}

void check_agrees(const Candidate& c, const Candidate& reference, const TileForm& form) {
  const size_t bands = c.image.bands.size(), wanted = reference.image.bands.size();
  const bool fits = form.mode == ColourMode::luma ? bands == 1 || bands == 3 : bands == wanted;
  if (fits && c.type == reference.type) return;
  throw Error(Error::Kind::unsupported, c.image.path, ": ", counted(static_cast<int64_t>(bands), "band"),
              " of ", sr::name_of(c.type), ", but ", fs::path(reference.image.path).filename().string(),
              " has ", wanted, " of ", sr::name_of(reference.type), "; the images of a data set must agree");
}

void drop_those_that_differ(std::vector<Candidate>& candidates, const TileForm& form,
                            const DatasetEvents& events) {
  const Candidate reference = reference_of(candidates);
  std::erase_if(candidates, [&](const Candidate& c) {
    try {
      check_agrees(c, reference, form);
      return false;
    } catch (const Error& e) {
      events.failed(e.what());
      return true;
    }
  });
}

// The range that follows from the samples' type, if all images agree on it.
std::optional<ValueRange> range_of_types(const std::vector<Candidate>& candidates) {
  for (const Candidate& c : candidates)
    if (c.range != candidates.front().range) return {};
  return candidates.front().range;
}

// The tiles of one image that are complete, how much each of their bands varies, and its ranges.
struct Look {
  std::vector<PlannedTile> tiles;
  std::vector<std::vector<double>> deviations;  // in the samples' units
  ManifestSource account;
  std::string note;  // of the decoder
  RangeMeter meter;
};

template <class Progress>
Look look_at(const ScannedImage& image, const DatasetOptions& o, const RangeMeter& empty, bool measure,
             const Progress& progress) {
  Look look;
  look.meter = empty;
  look.account = {.name = fs::path(image.path).filename().string(),
                  .pair = fs::path(image.pair).filename().string(),
                  .width = image.width,
                  .height = image.height};
  TrainingSource source(image.path, image.pair, o.factor);
  for (const PlannedTile& tile : plan_training_tiles(image, o)) {
    const TrainingSource::Samples samples =
        source.read(tile.window, measure && !tile.scaled ? &look.meter : nullptr);
    progress(tile.window.pixels());
    if (!samples.complete) {
      ++look.account.no_data;
      continue;
    }
    look.tiles.push_back(tile);
    look.deviations.push_back(deviations(samples.gt, image.bands));
  }
  look.note = source.decoding_note();
  return look;
}

int64_t pixels_to_look_at(const std::vector<Candidate>& candidates, const DatasetOptions& o) {
  int64_t all = 0;
  for (const Candidate& c : candidates)
    for (const PlannedTile& tile : plan_training_tiles(c.image, o)) all += tile.window.pixels();
  return all;
}

// Reads all images. Those that turn out to be damaged are left out of everything. In luma mode bands are
// measured as one: images of one band stand beside those of three.
std::vector<Look> look_at_all(std::vector<Candidate>& candidates, const DatasetOptions& o,
                              const TileForm& form, bool measure, const DatasetEvents& events) {
  std::vector<Look> looks;
  const int64_t once = pixels_to_look_at(candidates, o);
  const int64_t pixels = once * (o.symmetries ? 1 + kSymmetries : 2);
  RangeMeter empty(form.mode == ColourMode::luma ? 1 : form.bands, once);
  int64_t done = 0;
  std::erase_if(candidates, [&](const Candidate& c) {
    empty.next_image();
    const auto refuse = [&](const std::string& why) {
      events.failed(why);
      return true;
    };
    try {
      looks.push_back(
          look_at(c.image, o, empty, measure, [&](int64_t more) { events.progress(done += more, pixels); }));
      if (const Look& look = looks.back(); !look.note.empty())
        events.say(look.account.name + ": " + look.note);
      return false;
    } catch (const Error& e) {
      if (e.kind() == Error::Kind::stopped) throw;
      return refuse(e.what());
    } catch (const std::bad_alloc&) {
      return refuse(c.image.path + ": out of memory; use smaller tiles");
    }
  });
  return looks;
}

// One range for each band that is stored, as choose_ranges() measures them.
ValueRanges measured(const std::vector<Look>& looks, ColourMode mode) {
  RangeMeter all = looks[0].meter;
  for (size_t i = 1; i < looks.size(); ++i) all.add(looks[i].meter);
  return mode == ColourMode::joint ? joined(all.ranges()) : all.ranges();
}

// Images in unlike units do not belong into one data set: of one kind nothing would be seen.
void tell_misfits(const std::vector<Look>& looks, const ValueRanges& ranges, const DatasetEvents& events) {
  for (const Look& look : looks)
    if (const std::string why = misfit(look.meter, ranges, {}); !why.empty())
      events.say(look.account.name + " may be in other units than the other images: " + why);
}

// Whether no band varies by more than `least` of its range.
bool is_flat(const std::vector<double>& deviations, const ValueRanges& ranges, double least) {
  for (size_t b = 0; b < deviations.size(); ++b)
    if (deviations[b] > least * range_of(ranges, static_cast<int64_t>(b)).width()) return false;
  return true;
}

void demand_some(const std::vector<Candidate>& candidates) {
  if (candidates.empty()) throw Error(Error::Kind::io, "no image can be used; nothing was written");
}

}  // namespace

std::vector<PlannedTile> plan_training_tiles(const ScannedImage& image, const DatasetOptions& o) {
  const int64_t width = image.width, height = image.height;
  std::vector<PlannedTile> planned;
  const auto times = [](int64_t n, double ratio) {
    return static_cast<int64_t>(std::llround(static_cast<double>(n) * ratio));
  };
  for (const double scale : o.scales) {
    const int64_t w = times(width, scale), h = times(height, scale);
    if (w / o.tile_w + 1 > kMaxTiles / (h / o.tile_h + 1))
      throw Error(Error::Kind::limit, image.path, ": ", width, " x ", height, " pixels make more than ",
                  kMaxTiles, " tiles of ", o.tile_w, " x ", o.tile_h, "; take larger ones");
    for (const Window& tile : tile_windows(w, h, o.tile_w, o.tile_h, o.factor)) {
      PlannedTile p{.scaled = scale != 1, .window = tile, .width = tile.w, .height = tile.h};
      if (p.scaled) {
        const double x_ratio = static_cast<double>(width) / static_cast<double>(w);
        const double y_ratio = static_cast<double>(height) / static_cast<double>(h);
        p.window.w = std::min(width, times(tile.w, x_ratio));
        p.window.h = std::min(height, times(tile.h, y_ratio));
        p.window.x = std::min(width - p.window.w, times(tile.x, x_ratio));
        p.window.y = std::min(height - p.window.h, times(tile.y, y_ratio));
      }
      planned.push_back(p);
    }
  }
  return planned;
}

DatasetScan scan_images(const std::vector<std::string>& images, const DatasetOptions& o,
                        const DatasetEvents& events) {
  check(o);
  std::vector<Candidate> candidates = inspect_all(images, o, events);
  demand_some(candidates);
  DatasetScan scan;
  scan.form = form_for(reference_of(candidates), o);
  drop_those_that_differ(candidates, scan.form, events);
  const std::optional<ValueRange> of_type = range_of_types(candidates);
  const bool measure = o.value_ranges.empty() && !of_type;
  std::vector<Look> looks = look_at_all(candidates, o, scan.form, measure, events);
  demand_some(candidates);
  if (!o.value_ranges.empty()) {
    scan.form.ranges = o.value_ranges, scan.range_origin = "as given";
  } else if (of_type) {
    scan.form.ranges = {*of_type}, scan.range_origin = "of the sample type";
  } else {
    scan.form.ranges = measured(looks, scan.form.mode);
    scan.range_origin = "measured over all images";
    tell_misfits(looks, scan.form.ranges, events);
  }
  for (size_t i = 0; i < looks.size(); ++i) {
    Look& look = looks[i];
    for (size_t t = 0; t < look.tiles.size(); ++t) {
      scan.pixels += look.tiles[t].window.pixels();
      if (is_flat(look.deviations[t], scan.form.ranges, o.min_std)) {
        ++look.account.flat;
        continue;
      }
      look.tiles[t].source = static_cast<int32_t>(i);
      scan.tiles.push_back(look.tiles[t]);
    }
    scan.images.push_back(candidates[i].image);
    scan.accounts.push_back(look.account);
  }
  return scan;
}

}  // namespace sr
