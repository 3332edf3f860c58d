// upscale_tile on a GPU.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "idn/ensemble.h"
#include "scene/tile/nodata.h"
#include "scene/tile/spare_samples.h"
#include "scene/tile/tile.h"
#include "scene/tile/tile_kernels.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/graph.h"

namespace sr::cuda {

/// What upscale_tile does, computed by the calling thread's GPU with the results' storage and products that
/// cuda::precision() says. As on the processor, a fine value depends only on samples within margin_for() of
/// it: any tiling gives the same bits. Shapes that come again run as a recorded graph. For the thread that
/// made it.
class TileOnCuda {
 public:
  /// Copies the model's weights to the GPU. Results lie in samples of `spare`, if there is any. Errors:
  /// device, limit.
  TileOnCuda(const Model& model, const SceneSettings& settings, SpareSamples* spare = nullptr);

  /// Tiles that do not fit into the GPU's memory are cut in two until they do. Errors: limit (even the
  /// smallest does not fit), device, usage (the network gave something beyond what the precision holds).
  FineTile operator()(const Raster& window, const Tile& tile, bool with_bicubic);

 private:
  // Where a tile's numbers lie on the GPU: what comes in and goes out keeps its place from tile to tile.
  struct Place {
    Tensor samples, values, result, bicubic;
    Tensor shift, squares;  // of the answers' spread, if it is asked for
  };
  using Key = std::array<int64_t, 8>;

  FineTile computed(const Raster& window, const Tile& tile, bool with_bicubic);
  FineTile in_two(const Raster& window, const Tile& tile, bool with_bicubic);
  void compute(const Tile& tile, SampleType type, bool normalized);
  void upload(const Raster& window, const Invalid& invalid, bool prepares);
  void send(Tensor& to, const void* from, int64_t bytes);
  void check_overflow(const Tile& tile);
  Raster download(const Tensor& samples, const Window& window, SampleType type);
  Tensor input(const Tensor& values, const Window& read, int band) const;
  EnsembleResidual answer(const Tensor& image) const;
  EnsembleResidual residual(const Tensor& values, const Window& read) const;
  Shape residual_shape(const Window& read) const;
  Raster spread(const Tile& tile) const;
  const BandForm* forms() const { return static_cast<const BandForm*>(forms_.address()); }
  void finish(const Tile& tile, SampleType type, const Tensor& values, const Tensor& residual, Tensor& to);

  Model model_;
  SceneSettings settings_;
  SpareSamples* spare_;
  PackedWeights packed_;
  Tensor enlarging_, means_, offsets_;
  Tensor forms_;     // a BandForm for each band
  Tensor overflow_;  // an int; becomes 1 if the network gave something that is not finite
  PinnedMemory in_, out_, overflowed_;
  std::optional<Key> last_;  // of the tile before, which has `place_`
  Place place_;
  std::unique_ptr<Graph> graph_;
};

/// What a scene's settings say of each band.
std::vector<BandForm> band_forms(const SceneSettings& settings);

/// Bytes of a GPU's memory that a tile takes at most.
int64_t device_bytes(const Model& model, const SceneSettings& settings, const Tile& tile,
                     int64_t sample_bytes);

}  // namespace sr::cuda
