#include "training/dataset/source.h"

#include <algorithm>
#include <cmath>

#include "io/tiff/tags/coordinate_system.h"
#include "io/tiff/tags/georeference.h"
#include "scene/tile/nodata.h"
#include "tensor/error.h"

namespace sr {
namespace {

// Largest distance of the images' corners in pixels of the finer image.
double corner_distance(const GeoTransform& coarse, const GeoTransform& fine, const TiffInfo& info,
                       int factor) {
  const double pixel = std::max(std::hypot(fine[1], fine[4]), std::hypot(fine[2], fine[5]));
  double largest = 0;
  for (const double u : {0.0, 1.0})
    for (const double v : {0.0, 1.0}) {
      const double column = u * static_cast<double>(info.width), row = v * static_cast<double>(info.height);
      const auto a = applied(coarse, column, row), b = applied(fine, column * factor, row * factor);
      largest = std::max(largest, std::hypot(a[0] - b[0], a[1] - b[1]) / pixel);
    }
  return largest;
}

void check_pair(const TiffInfo& coarse, const TiffInfo& fine, int factor, const std::string& path,
                const std::string& pair_path) {
  if (fine.width != coarse.width * factor || fine.height != coarse.height * factor)
    throw Error(Error::Kind::shape, path, ": ", coarse.width, " x ", coarse.height, " pixels, its pair ",
                pair_path, " ", fine.width, " x ", fine.height, "; it must have exactly ", factor,
                " times as many each way: ", coarse.width * factor, " x ", coarse.height * factor);
  if (fine.bands != coarse.bands || fine.type != coarse.type || fine.alpha_band() != coarse.alpha_band())
    throw Error(Error::Kind::shape, path, ": ", coarse.bands, " bands of ", name_of(coarse.type),
                ", its pair ", pair_path, " ", fine.bands, " of ", name_of(fine.type),
                "; both must have the same");
  const auto here = geo_transform_of(coarse.tags), there = geo_transform_of(fine.tags);
  if (!here || !there) return;
  const auto system = epsg_of(coarse.tags), of_pair = epsg_of(fine.tags);
  if (system && of_pair && *system != *of_pair)
    throw Error(Error::Kind::shape, path, ": its coordinate system is EPSG:", *system, ", that of its pair ",
                pair_path, " EPSG:", *of_pair, "; bring both into one with gdalwarp");
  const double distance = corner_distance(*here, *there, coarse, factor);
  if (!(distance <= 0.5))
    throw Error(Error::Kind::shape, path, ": its corners and those of its pair ", pair_path, " lie ",
                distance, " fine pixels apart; cut both to the same ground (at most half a pixel)");
}

}  // namespace

TrainingSource::TrainingSource(const std::string& path, const std::string& pair_path, int factor)
    : factor_(factor), image_(path, kTrainingLimits) {
  if (pair_path.empty()) return;
  fine_.emplace(pair_path, kTrainingLimits);
  check_pair(image_.info(), fine_->info(), factor, path, pair_path);
}

std::string TrainingSource::decoding_note() const {
  const std::string note = truth().decoding_note();
  return note.empty() ? image_.decoding_note() : note;
}

Raster TrainingSource::read(ImageSource& image, const Window& window, RangeMeter* meter, bool& complete) {
  const TiffInfo& info = image.info();
  Raster raster = image.read(window);
  const Invalid invalid = may_have_holes(info) ? find_invalid(raster, hole_rule(info)) : Invalid();
  complete = complete && std::find(invalid.begin(), invalid.end(), kHole) == invalid.end();
  if (meter) meter->add(raster, invalid, info.alpha_band());
  raster.mask.clear();
  return raster;
}

TrainingSource::Samples TrainingSource::read(const Window& window, RangeMeter* meter) {
  Samples samples;
  samples.gt = read(fine_ ? *fine_ : image_, window, meter, samples.complete);
  if (fine_) {
    const Window coarse{window.x / factor_, window.y / factor_, window.w / factor_, window.h / factor_};
    samples.down = read(image_, coarse, meter, samples.complete);
  }
  return samples;
}

std::vector<double> deviations(const Raster& raster, const std::vector<int>& bands) {
  std::vector<double> list;
  const auto count = static_cast<double>(raster.window.pixels());
  with_sample_type(raster.type, [&](auto zero) {
    const auto* samples = raster.data<decltype(zero)>();
    for (const int b : bands) {
      const auto first = static_cast<double>(samples[b]);  // taken off, so that squares do not cancel
      double sum = 0, squares = 0;
      for (int64_t p = 0; p < raster.window.pixels(); ++p) {
        const double value = static_cast<double>(samples[p * raster.bands + b]) - first;
        sum += value;
        squares += value * value;
      }
      const double mean = sum / count;
      list.push_back(std::sqrt(std::max(0.0, squares / count - mean * mean)));
    }
  });
  return list;
}

}  // namespace sr
