// The first look at the images of a data set: which fit together, which tiles can be cut from them.
#pragma once

#include <string>
#include <vector>

#include "training/dataset/create.h"
#include "training/dataset/source.h"
#include "training/dataset/split.h"
#include "training/dataset/symmetry.h"
#include "training/dataset/tile.h"

namespace sr {

/// An image that takes part.
struct ScannedImage {
  std::string path, pair;  ///< pair: the finer image of the same ground, or ""
  int64_t width = 0, height = 0;
  std::vector<int> bands;  ///< those trained on
};

struct DatasetScan {
  TileForm form;
  std::string range_origin;  ///< how the value range was found, for people
  std::vector<ScannedImage> images;
  std::vector<ManifestSource> accounts;  ///< one per image
  std::vector<PlannedTile> tiles;        ///< complete and not flat, image by image
  int64_t pixels = 0;                    ///< looked at
};

/// Reads all images once. One that cannot be read, or does not go together with the first, goes to
/// events.failed and is left out. Errors: usage (options that contradict each other or the images), io (no
/// image is left).
DatasetScan scan_images(const std::vector<std::string>& images, const DatasetOptions& options,
                        const DatasetEvents& events);

/// Tiles of one image at every scale. The window of a scaled tile is as much larger than the tile as the
/// image was shrunk. Errors: limit.
std::vector<PlannedTile> plan_training_tiles(const ScannedImage& image, const DatasetOptions& options);

}  // namespace sr
