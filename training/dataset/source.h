// One image, or a pair of images of the same ground, that tiles of training data are cut from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/formats/image_source.h"
#include "scene/value_range.h"
#include "training/dataset/tile.h"

namespace sr {

/// Decoded blocks that a source keeps: two rows of tiles of a scene 20,000 pixels wide.
constexpr TiffLimits kTrainingLimits = {.block_bytes = int64_t{256} << 20, .cache_bytes = int64_t{128} << 20};

/// Reads windows of the truth, and of its shrunk companion where there is one.
class TrainingSource {
 public:
  /// `pair_path`: a finer image of the ground of `path`; "" for none. Errors: those of ImageSource; shape
  /// (the finer image is not exactly `factor` times as large, or its corners are elsewhere).
  TrainingSource(const std::string& path, const std::string& pair_path, int factor);

  /// The image that the truth is cut from: the finer one of a pair.
  const TiffInfo& info() const { return truth().info(); }
  /// See TiffReader; of the truth, or else of its companion.
  std::string decoding_note() const;
  bool is_pair() const { return fine_.has_value(); }

  /// The samples of a window of the truth, as files hold them, and whether all of them are a picture.
  struct Samples {
    Raster gt;
    std::optional<Raster> down;  ///< of a pair
    bool complete = true;
  };
  /// A pair's window lies on the coarse grid. Counts valid samples in `meter` if given.
  Samples read(const Window& window, RangeMeter* meter = nullptr);

 private:
  const ImageSource& truth() const { return fine_ ? *fine_ : image_; }
  Raster read(ImageSource& image, const Window& window, RangeMeter* meter, bool& complete);

  int factor_;
  ImageSource image_;
  std::optional<ImageSource> fine_;
};

/// The bands' standard deviations, in the samples' units.
std::vector<double> deviations(const Raster& raster, const std::vector<int>& bands);

}  // namespace sr
