// The gradient for 3x3 weights by Winograd's transforms, compiled once for each instruction set like
// direct_simd.cpp.
//
// dw = G^T [sum over tiles of (A dy A^T) * (B^T x B)] G: in each of the 36 places a sum of outer products
// over the tiles. A hundred tiles at a time are transformed, each by one thread; then each place is summed by
// one thread, so that the order of the terms depends on the shapes only.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/outer_products.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/conv2d/cpu/winograd_tiles.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::ConvDims;

constexpr int64_t kTilesAtATime = 96;  // of one place, some vectors of these stay in the first-level cache

// Floats from one tile to the next: an odd number of cache lines, which spreads over all sets.
int64_t tile_floats(int64_t channels) {
  return ((channels + 15) / 16 | 1) * 16;
}

// One side transformed: [36 places][tiles][channels].
class Side {
 public:
  Side(const Grid& grid, int64_t tiles)
      : grid_(grid),
        channels_(round_up(grid.c, kLanes)),
        tile_(tile_floats(channels_)),
        place_(tiles * tile_),
        data_(kWinogradProducts * place_) {}

  // Tile `t`, whose pixels begin at (row, column) of image n.
  template <class T>
  void transform(int64_t t, int64_t n, int64_t row, int64_t column, float* patch) {
    transform_tile<T>(grid_, n, row, column, channels_, patch, data_.data() + t * tile_, place_);
  }

  Walk walk(int64_t place, int64_t channel) { return {data_.data() + place * place_ + channel, tile_, 0}; }
  int64_t channels() const { return channels_; }

 private:
  Grid grid_;
  int64_t channels_, tile_, place_;
  Buffer data_;
};

class GradWeight {
 public:
  GradWeight(const ConvDims& d, const float* x, const float* dy)
      : d_(d),
        tiles_(d),
        parts_(tiles_.size(), kTilesAtATime),
        inputs_({x, d.h, d.w, d.c, d.x_pitch}, parts_.size),
        outputs_({dy, d.oh, d.ow, d.o, d.y_pitch}, parts_.size),
        sums_(kWinogradProducts * d.o * inputs_.channels()) {
    std::memset(sums_.data(), 0, static_cast<size_t>(kWinogradProducts * place_of_sums()) * sizeof(float));
  }

  void run(float* dw) {
    const int64_t patch_floats =
        kWinogradProducts *
        (inputs_.channels() > outputs_.channels() ? inputs_.channels() : outputs_.channels());
    Buffer patches(patch_floats * omp_get_max_threads());
    const Parts outputs = outputs_of_a_task();
#pragma omp parallel
    {
      float* patch = patches.data() + patch_floats * omp_get_thread_num();
      for (int64_t part = 0; part < parts_.number; ++part) {
#pragma omp for schedule(dynamic, 4)
        for (int64_t t = 0; t < parts_.in(part); ++t) transform(t, tiles_[parts_.begin(part) + t], patch);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < kWinogradProducts * outputs.number; ++i)
          add_products(i / outputs.number, outputs.begin(i % outputs.number), outputs.in(i % outputs.number),
                       parts_.in(part));
      }
#pragma omp for schedule(static)
      for (int64_t o = 0; o < d_.o; ++o) transform_back(o, dw + o * 9 * d_.c);
    }
  }

 private:
  int64_t place_of_sums() const {
    return d_.o * inputs_.channels();
  }

  // All, unless there would be too few tasks for the threads.
  Parts outputs_of_a_task() const {
    const int64_t enough = 4 * omp_get_max_threads();
    const int64_t shares = smaller((enough + kWinogradProducts - 1) / kWinogradProducts, (d_.o + 7) / 8);
    return {d_.o, round_up((d_.o + shares - 1) / shares, 8)};
  }

  void transform(int64_t t, const Tile& tile, float* patch) {
    inputs_.transform<InputTransform>(t, tile.n, tile.row - d_.pad_h, tile.column - d_.pad_w, patch);
    outputs_.transform<OutputGradTransform>(t, tile.n, tile.row, tile.column, patch);
  }

  // sums[place][o][c] += for outputs first .. first+count.
  void add_products(int64_t place, int64_t first, int64_t count, int64_t tiles) {
    const Parts vectors(inputs_.channels() / kLanes, kLargestCount);
    const Parts values(count, values_for(static_cast<int>(vectors.size)));
    for (int64_t v = 0; v < vectors.number; ++v) {
      const int64_t k = vectors.begin(v) * kLanes;
      for (int64_t q = 0; q < values.number; ++q) {
        const int64_t o = first + values.begin(q);
        float* sums = sums_.data() + place * place_of_sums() + o * inputs_.channels() + k;
        sum_function(values.in(q), vectors.in(v))(inputs_.walk(place, k), kLanes, outputs_.walk(place, o), 1,
                                                  tiles, sums, inputs_.channels());
      }
    }
  }

  // The sums of one output -> dw[3][3][c].
  void transform_back(int64_t o, float* dw) {
    for (int64_t k = 0; k < d_.c; k += kLanes) {
      const float* from = sums_.data() + o * inputs_.channels() + k;
      const auto count = static_cast<size_t>(smaller(kLanes, d_.c - k));
      transform_square<Vector, WeightGradTransform>(
          [&](int i, int j) { return Vector::load(from + (i * 6 + j) * place_of_sums()); },
          [&](int u, int v, Vector value) {
            float lanes[kLanes];
            value.store(lanes);
            std::memcpy(dw + (u * 3 + v) * d_.c + k, lanes, count * sizeof(float));
          });
    }
  }

  const ConvDims& d_;
  Tiles tiles_;
  Parts parts_;
  Side inputs_, outputs_;
  Buffer sums_;  // [36 places][o][channels of the inputs]
};

}  // namespace

namespace sr::cpu::SR_SIMD {

void conv2d_grad_weight_winograd(const ConvDims& d, const float* x, const float* dy, float* dw) {
  GradWeight(d, x, dy).run(dw);
}

}  // namespace sr::cpu::SR_SIMD
