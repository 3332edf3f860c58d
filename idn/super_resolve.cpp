#include "idn/super_resolve.h"

#include <algorithm>

#include "idn/tiling.h"
#include "tensor/error.h"
#include "tensor/ops/pointwise.h"
#include "tensor/ops/resize.h"

namespace sr {
namespace {

constexpr int64_t kTile = 256;    // of a GPU
constexpr int64_t kWidth = 2048;  // of the processor
constexpr Reach kBicubicReach{2, 2};

Window scaled(const Window& w, int factor) {
  return {w.x * factor, w.y * factor, w.w * factor, w.h * factor};
}

// Channels first .. first+count of a window, less the mean.
Tensor network_input(const Tensor& image, const Window& window, int64_t first,
                     const std::vector<double>& mean) {
  const auto count = static_cast<int64_t>(mean.size());
  Tensor input({1, window.h, window.w, count});
  float* to = input.data();
  for (int64_t y = 0; y < window.h; ++y) {
    const float* row = image.data() + ((window.y + y) * image.shape().w + window.x) * image.pitch() + first;
    for (int64_t x = 0; x < window.w; ++x)
      for (int64_t k = 0; k < count; ++k)
        *to++ = row[x * image.pitch() + k] - static_cast<float>(mean[static_cast<size_t>(k)]);
  }
  return input;
}

// Puts the pixels of `from` from (x, y) on into channels first .. of the window `at`, plus `offset`.
void paste(Tensor& to, const Window& at, int64_t first, const Tensor& from, int64_t x, int64_t y,
           const std::vector<float>& offset) {
  const int64_t count = from.shape().c;
  for (int64_t r = 0; r < at.h; ++r) {
    const float* row = from.data() + ((y + r) * from.shape().w + x) * count;
    float* result = to.data() + ((at.y + r) * to.shape().w + at.x) * to.shape().c + first;
    for (int64_t p = 0; p < at.w; ++p)
      for (int64_t k = 0; k < count; ++k)
        result[p * to.shape().c + k] = row[p * count + k] + offset[static_cast<size_t>(k)];
  }
}

}  // namespace

Tensor network_residual(const Model& model, const Tensor& image) {
  const Shape& s = image.shape();
  const int64_t nchan = model.nchan();
  if (s.n != 1 || (nchan != 1 && nchan != s.c))
    throw Error(Error::Kind::usage, "an image of ", s, " for a network of ", nchan,
                " channels; want one image with as many channels, or a network of one");
  const int f = model.factor();
  std::vector<float> offset;
  for (size_t k = 0; k < model.means.gt.size(); ++k) offset.push_back(model.shift(k));
  // On the processor memory does not grow with the height: only what is as wide as a scene is cut.
  const bool on_gpu = model.device() != Device::cpu;
  const TileGrid grid{s.w, s.h, on_gpu ? kTile : kWidth, on_gpu ? kTile : s.h,
                      kBicubicReach | (on_gpu ? model.network->reach() : model.reach())};
  Tensor result({1, s.h * f, s.w * f, s.c});
  for (int64_t i = 0; i < grid.size(); ++i) {
    const Tile tile = grid[i];
    for (int64_t first = 0; first < s.c; first += nchan) {
      Tensor input = network_input(image, tile.read, first, model.means.down);
      const Tensor output = model.residual(std::move(input), {tile.read.y, tile.read.x});
      paste(result, scaled(tile.core, f), first, output, (tile.core.x - tile.read.x) * f,
            (tile.core.y - tile.read.y) * f, offset);
    }
  }
  return result;
}

Tensor super_resolve(const Model& model, const Tensor& image, const Tensor& bicubic) {
  // What is added makes up for the image's own enlargement where the network has no base.
  return add(model.has_base() ? bicubic : bicubic_enlarge(image, model.factor()),
             network_residual(model, image));
}

}  // namespace sr
