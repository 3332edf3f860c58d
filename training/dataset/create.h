// A training data set from images: what create_training_dataset does.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "scene/tile/tile.h"
#include "training/dataset/manifest.h"

namespace sr {

struct DatasetOptions {
  int factor = 2;
  int64_t tile_w = 400, tile_h = 400;  ///< of the truth; multiples of the factor
  int64_t num_data_per_file = 250;
  bool shuffle = true;
  uint64_t seed = 1;
  double min_std = 0;  ///< on the 0..1 scale; tiles whose bands all vary by no more are flat
  bool split_by_scene = false;
  std::vector<double> scales = {1};  ///< sizes at which images are cut; 1 must be among them
  bool symmetries = false;           ///< store every flip and rotation of training tiles
  std::string pair_path = {};        ///< folder with finer images of the same names; "" = none
  ValueRanges value_ranges =
      {};  ///< one or one for each band; none: by sample type or measured over all images
  std::optional<ColourMode> mode = {};  ///< else luma for 8-bit RGB, joint for nchan > 1, else per band
  LumaConvention luma = LumaConvention::full;
  int nchan = 0;  ///< bands for joint mode; 0 = as the images have
  bool unrounded = false;
  int debug_pictures = 0;   ///< PNGs of so many tiles, to look at
  std::string origin = {};  ///< program and version, for the manifest
};

/// What happens on the way, for programs that tell people.
struct DatasetEvents {
  std::function<void(const std::string& text)> say = [](const std::string&) {};
  /// An image is refused; the others go on.
  std::function<void(const std::string& text)> failed = [](const std::string&) {};
  /// Pixels done of all, each counted once when it is looked at and once when it is written; may throw to
  /// stop the run.
  std::function<void(int64_t done, int64_t all)> progress = [](int64_t, int64_t) {};
};

/// Cuts the images into tiles and writes the data set into `folder` (OUT/xFACTOR), which is created or holds
/// nothing but an earlier data set, complete or not: that is replaced once all images have been looked at.
/// manifest.json comes last; until then nothing in the folder passes for a data set. The same images and
/// options give the same bytes. Memory: about a row of tiles of one image. Errors: usage (options that
/// contradict each other or the images; too few tiles), io.
Manifest create_dataset(const std::vector<std::string>& images, const std::string& folder,
                        const DatasetOptions& options, const DatasetEvents& events = {});

}  // namespace sr
