// manifest.json: what a training data set is, where it comes from and which files belong to it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "idn/model.h"
#include "io/raster.h"
#include "scene/tile/tile.h"

namespace sr {

/// What training must know about a data set.
struct DatasetInfo {
  int factor = 2;
  int nchan = 1;                     ///< channels of the network: the bands in joint mode, else 1
  int bands = 1;                     ///< of the stored tiles
  SampleType type = SampleType::u8;  ///< of the truth
  bool unrounded = false;            ///< down and bic_up are floats, not rounded to `type`
  bool pairs = false;                ///< down is another sensor's image, not gt shrunk
  ColourMode mode = ColourMode::per_band;
  LumaConvention luma = LumaConvention::full;
  ValueRanges ranges = {{}};       ///< sample values that the network sees as 0 and 1, of the stored bands
  MeanValues means;                ///< over the training tiles
  int64_t tile_w = 0, tile_h = 0;  ///< as chosen; images that are smaller are tiles of their own size
  int64_t training_tiles = 0, validation_tiles = 0;
};

/// Where a tile comes from.
struct TileOrigin {
  int64_t source = 0;             ///< number in Manifest::sources
  Window window;                  ///< of that image (the finer one of a pair)
  int64_t width = 0, height = 0;  ///< of the tile, before it is turned: the window's, or smaller if scaled
  int symmetry = 0;               ///< training/dataset/symmetry.h
};

struct ManifestFile {
  std::string name;  ///< relative to the manifest's folder: "Training/data_000.rec"
  int64_t records = 0;
  uint64_t bytes = 0;
  uint32_t crc32c = 0;            ///< RecordReader::checksum()
  std::vector<TileOrigin> tiles;  ///< one per record
};

struct ManifestSource {
  std::string name, pair;  ///< file names; pair is "" without one
  int64_t width = 0, height = 0;
  int64_t tiles = 0, no_data = 0, flat = 0, left_out = 0;  ///< cut from it; skipped, and why
};

struct Manifest {
  DatasetInfo info;
  std::string origin;   ///< program and version
  std::string options;  ///< JSON object: what the user chose
  std::vector<ManifestSource> sources;
  std::vector<ManifestFile> files;  ///< training files, then the validation file
};

/// Errors: io.
void save_manifest(const std::string& path, const Manifest& manifest);

/// Reads what training needs: `info`, with the tile size of `options`, and `files` without their tiles; not
/// the other options and `sources`. Errors: io (not there), format, unsupported (a newer version).
Manifest load_manifest(const std::string& path);

}  // namespace sr
