// Convolution with 3x3 kernels by Winograd's F(4x4, 3x3), compiled once for each instruction set like
// direct_simd.cpp.
//
// Some tiles of 4x4 outputs at a time: their inputs are transformed, multiplied by the transformed weights in
// each of the 36 places by itself (a matrix product tiles x inputs x outputs), and the products transformed
// back, all within the second-level cache. A value's terms are added in an order that depends on the weights'
// shape and the place within its tile only.
#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/output_blocks.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/conv2d/cpu/winograd_tiles.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::ConvDims;

constexpr int64_t kTilesAtATime = kAccumulators == 24 ? 24 : 12;
// Floats from one of the 36 places to the next: an odd number of cache lines, which spreads over all sets.
int64_t place_floats(int64_t channels) {
  return ((kTilesAtATime * channels + 15) / 16 | 1) * 16;
}

// ---- weights ----

// Up to V::kLanes floats, `step` apart.
template <class V>
V gather(const float* from, int64_t step, int64_t count) {
  if (step == 1 && count == V::kLanes) return V::load(from);
  float v[V::kLanes];
  for (int64_t i = 0; i < V::kLanes; ++i) v[i] = i < count ? from[i * step] : 0.0f;
  return V::load(v);
}

// Where the weights of one input channel lie in the caller's array.
struct Taps {
  const float* first;  // of output 0, tap (0, 0)
  int64_t output, tap;
};

Taps taps_of(const ConvDims& d, const float* weight, bool flipped, int64_t group, int64_t input) {
  const int64_t cg = d.c / d.groups, og = d.o / d.groups;
  if (flipped) return {weight + ((group * cg + input) * 9 + 8) * og, 1, -og};
  return {weight + group * og * 9 * cg + input, 9 * cg, cg};
}

// For one block and one input channel: [36 places, `place` apart][width].
template <class V>
void transform_weights(const Taps& taps, const OutputBlock& block, int64_t first, int64_t width, float* to,
                       int64_t place) {
  for (int64_t i = 0; i < width; i += V::kLanes) {
    const float* from = taps.first + (first + i) * taps.output;
    const int64_t count = smaller(V::kLanes, block.count - i);
    transform_square<V, WeightTransform>(
        [&](int u, int v) { return gather<V>(from + (u * 3 + v) * taps.tap, taps.output, count); },
        [&](int u, int v, V value) { value.store(to + (u * 6 + v) * place + i); });
  }
}

// ---- results ----

// One tile's products -> its outputs.
void transform_output(const ConvDims& d, const Tile& tile, const float* from, int64_t place,
                      const ConvEpilogue& e, float* y) {
  const int64_t rows = smaller(kWinogradOutputs, d.oh - tile.row);
  const int64_t columns = smaller(kWinogradOutputs, d.ow - tile.column);
  const int64_t corner = (tile.n * d.oh + tile.row) * d.ow + tile.column;
  for (int64_t o = 0; o < d.o; o += kLanes) {
    const int64_t count = smaller(kLanes, d.o - o);
    const Vector bias = bias_lanes<Vector>(e, o, count);
    const auto product = [&](int i, int j) { return Vector::load(from + (i * 6 + j) * place + o); };
    if (rows == 4 && columns == 4 && count == kLanes && !e.added[0].data) {
      float* to = y + corner * d.y_pitch + o;
      transform_square<Vector, OutputTransform>(product, [&](int i, int j, Vector value) {
        (value + bias).leaky(e.leak).store(to + (i * d.ow + j) * d.y_pitch);
      });
      continue;
    }
    transform_square<Vector, OutputTransform>(product, [&](int i, int j, Vector value) {
      if (i >= rows || j >= columns) return;
      const int64_t pixel = corner + i * d.ow + j;
      finish<Vector>(value, bias, e, pixel, o, count, y + pixel * d.y_pitch + o);
    });
  }
}

// ---- products ----

// to[tile][N vectors] = from[tile][depth] * weights[depth][N vectors] for `tiles`, P at a time.
template <class V, int N, int P>
void multiply(const float* from, int64_t from_step, int64_t depth, const float* weights, int64_t tiles,
              float* to, int64_t to_step) {
  for (int64_t t = 0; t < tiles; t += P, from += P * from_step, to += P * to_step) {
    V sum[P][N];
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i] = V::zero();
    const float* w = weights;
    for (int64_t k = 0; k < depth; ++k, w += N * V::kLanes) {
      V weight[N];
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) weight[i] = V::load(w + i * V::kLanes);
#pragma GCC unroll 24
      for (int p = 0; p < P; ++p) {
        const typename V::Scalar value = V::broadcast(from + p * from_step + k);
#pragma GCC unroll 5
        for (int i = 0; i < N; ++i) sum[p][i].add_product(value, weight[i]);
      }
    }
#pragma GCC unroll 24
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 5
      for (int i = 0; i < N; ++i) sum[p][i].store(to + p * to_step + i * V::kLanes);
  }
}

using MultiplyFunction = void (*)(const float*, int64_t, int64_t, const float*, int64_t, float*, int64_t);

// The tiles at a time divide kTilesAtATime, so that the last ones stay within the buffers.
MultiplyFunction multiply_function(int64_t og, int vectors) {
  if (uses_eight(og)) return multiply < Lanes8, 1, kAccumulators == 24 ? 24 : 2 * kAccumulators > ;
  if constexpr (kLargestVectors > 1) {
    switch (vectors) {
      case 2:
        return multiply<Lanes16, 2, 12>;
      case 3:
        return multiply<Lanes16, 3, 8>;
      case 4:
        return multiply<Lanes16, 4, 6>;
      case 5:
        return multiply<Lanes16, 5, 4>;
      default:
        break;
    }
  }
  return multiply<Lanes16, 1, kAccumulators>;
}

// ---- all of it ----

class Winograd {
 public:
  Winograd(const ConvDims& d, const float* weight, bool flipped)
      : d_(d),
        blocks_(d),
        channels_(round_up(d.c, kLanes)),
        cg_(d.c / d.groups),
        weights_(kWinogradProducts * place_of_weights()) {
    const int64_t inputs = blocks_.size() * cg_;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < inputs; ++i) {
      const OutputBlock block = blocks_[i / cg_];
      const Taps taps = taps_of(d, weight, flipped, block.group, i % cg_);
      const int64_t first = block.first - block.group * (d.o / d.groups);
      const int64_t width = block.vectors * lanes_for(d.o / d.groups);
      float* to = weights_of(0, i / cg_) + i % cg_ * width;
      if (uses_eight(d.o / d.groups))
        transform_weights<Lanes8>(taps, block, first, width, to, place_of_weights());
      else
        transform_weights<Vector>(taps, block, first, width, to, place_of_weights());
    }
  }

  int64_t scratch_floats() const {
    return kWinogradProducts * (place_floats(channels_) + place_floats(products()) + channels_);
  }

  // Tiles first .. first+count of y.
  void run(const float* x, const Tiles& tiles, int64_t first, int64_t count, const ConvEpilogue& e,
           float* scratch, float* y) {
    const int64_t input_place = place_floats(channels_), product_place = place_floats(products());
    float* inputs = scratch;
    float* results = inputs + kWinogradProducts * input_place;
    float* patch = results + kWinogradProducts * product_place;
    for (int64_t t = 0; t < count; ++t) {
      const Tile tile = tiles[first + t];
      transform_tile<InputTransform>({x, d_.h, d_.w, d_.c, d_.x_pitch}, tile.n, tile.row - d_.pad_h,
                                     tile.column - d_.pad_w, channels_, patch, inputs + t * channels_,
                                     input_place);
    }
    for (int64_t f = 0; f < kWinogradProducts; ++f)
      for (int64_t b = 0; b < blocks_.size(); ++b) {
        const OutputBlock block = blocks_[b];
        multiply_function(d_.o / d_.groups, block.vectors)(
            inputs + f * input_place + block.group * cg_, channels_, cg_, weights_of(f, b), count,
            results + f * product_place + block.first, products());
      }
    for (int64_t t = 0; t < count; ++t)
      transform_output(d_, tiles[first + t], results + t * products(), product_place, e, y);
  }

 private:
  // Floats of one tile's products: a block's lanes beyond its outputs are overwritten by the next block's
  // first.
  int64_t products() const {
    return round_up(blocks_[blocks_.size() - 1].first + blocks_.width(), 16);
  }
  int64_t place_of_weights() const {
    return cg_ * blocks_.size() * blocks_.width();
  }
  float* weights_of(int64_t place, int64_t block) {
    return weights_.data() + place * place_of_weights() + block * cg_ * blocks_.width();
  }

  const ConvDims& d_;
  OutputBlocks blocks_;
  int64_t channels_, cg_;
  Buffer weights_;  // [36][block][input][vectors * lanes]
};

}  // namespace

namespace sr::cpu::SR_SIMD {

void conv2d_winograd(const ConvDims& d, const float* x, const float* weight, bool flipped,
                     const ConvEpilogue& e, float* y) {
  Winograd winograd(d, weight, flipped);
  const Tiles tiles(d);
  const int64_t scratch_floats = round_up(winograd.scratch_floats(), 16);
  Buffer scratch(scratch_floats * omp_get_max_threads());
#pragma omp parallel
  {
    float* mine = scratch.data() + scratch_floats * omp_get_thread_num();
    std::memset(mine, 0, static_cast<size_t>(scratch_floats) * sizeof(float));
#pragma omp for schedule(dynamic)
    for (int64_t first = 0; first < tiles.size(); first += kTilesAtATime)
      winograd.run(x, tiles, first, smaller(kTilesAtATime, tiles.size() - first), e, mine, y);
  }
}

}  // namespace sr::cpu::SR_SIMD
