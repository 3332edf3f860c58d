// Convolution with 3x3 kernels by Winograd's F(4x4, 3x3); what is multiplied are elements of float32 or
// bfloat16. Included by files that are compiled once per instruction set only (see tensor/simd/lanes.h).
//
// Some tiles of 4x4 outputs at a time: their inputs are transformed, multiplied by the transformed weights in
// each of the 36 places by itself (a matrix product tiles x inputs x outputs), and the products transformed
// back, all within the second-level cache. A value's terms are added in an order that depends on the weights'
// shape and the place within its tile only.
#pragma once

#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/multiply.h"
#include "tensor/conv2d/cpu/output_blocks.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/conv2d/cpu/winograd_tiles.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::ConvDims;

constexpr int64_t kTilesAtATime = kAccumulators == 24 ? 24 : 12;
// Elements from one of the 36 places to the next: an odd number of cache lines, which spreads over all sets.
template <class Element>
int64_t place_elements(int64_t channels) {
  constexpr int64_t kLine = 64 / sizeof(Element);
  return ((kTilesAtATime * channels + kLine - 1) / kLine | 1) * kLine;
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

// Of one block, output i on, and one input channel: store(place, V::kLanes outputs).
template <class V, class Store>
[[gnu::always_inline]] inline void transform_weights(const Taps& taps, const OutputBlock& block, int64_t i,
                                                     const Store& store) {
  const float* from = taps.first + i * taps.output;
  const int64_t count = smaller(V::kLanes, block.count - i);
  transform_square<V, WeightTransform>(
      [&](int u, int v) { return gather<V>(from + (u * 3 + v) * taps.tap, taps.output, count); },
      [&](int u, int v, V value) { store(u * kWinogradInputs + v, value); });
}

// For one block and the input channels that are multiplied together: [36 places, `place`
// apart][width][inputs].
template <class V>
void transform_weights(const Taps (&taps)[1], const OutputBlock& block, int64_t width, float* to,
                       int64_t place) {
  for (int64_t i = 0; i < width; i += V::kLanes)
    transform_weights<V>(taps[0], block, i, [&](int f, V value) { value.store(to + f * place + i); });
}
template <class V>
void transform_weights(const Taps (&taps)[2], const OutputBlock& block, int64_t width, uint16_t* to,
                       int64_t place) {
  for (int64_t i = 0; i < width; i += V::kLanes) {
    V first[kWinogradProducts];
    transform_weights<V>(taps[0], block, i, [&](int f, V value) { first[f] = value; });
    transform_weights<V>(taps[1], block, i,
                         [&](int f, V value) { store_pairs(to + f * place + 2 * i, first[f], value); });
  }
}

// ---- results ----

// Whether results are written to memory past the caches, which are to hold other things: they would not hold
// all of them until they are read, and what was in memory would be read first only to be overwritten. Whole
// lines of the caches only.
bool goes_past_caches(const ConvDims& d, const float* y) {
  constexpr int64_t kSecondLevel = 1 << 20, kLine = 64;
  const int64_t pitch_bytes = d.y_pitch * 4;
  return kLanes * 4 == kLine && pitch_bytes % kLine == 0 && reinterpret_cast<uintptr_t>(y) % kLine == 0 &&
         d.n * d.oh * d.ow * pitch_bytes > kSecondLevel * omp_get_max_threads();
}

inline void store_result(Vector v, bool past_caches, float* to) {
#if defined(__AVX512F__) && defined(__AVX512VL__)
  if (past_caches) return v.store_past_caches(to);
#else
  (void)past_caches;
#endif
  v.store(to);
}

// Asks for the lines that the next tile's results go to; `to` is at output o of this one's first pixel.
inline void prefetch_next_results(const ConvDims& d, int64_t rows, int64_t o, const float* to) {
  constexpr int64_t kLine = 64 / sizeof(float);
  if (o % kLine != 0) return;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < kWinogradOutputs; ++j)
      __builtin_prefetch(to + (i * d.ow + kWinogradOutputs + j) * d.y_pitch);
}

// One tile's products -> its outputs.
void transform_output(const ConvDims& d, const Tile& tile, const float* from, int64_t place,
                      const ConvEpilogue& e, bool past_caches, float* y) {
  const int64_t rows = smaller(kWinogradOutputs, d.oh - tile.row);
  const int64_t columns = smaller(kWinogradOutputs, d.ow - tile.column);
  const int64_t corner = (tile.n * d.oh + tile.row) * d.ow + tile.column;
  for (int64_t o = 0; o < d.o; o += kLanes) {
    const int64_t count = smaller(kLanes, d.o - o);
    const Vector bias = bias_lanes<Vector>(e, o, count);
    const auto product = [&](int i, int j) { return Vector::load(from + (i * 6 + j) * place + o); };
    if (count == kLanes && !e.added[0].data) {
      float* to = y + corner * d.y_pitch + o;
      if (!past_caches) prefetch_next_results(d, rows, o, to);
      transform_square_in_steps<Vector, OutputTransform>(product, [&](int i, int j, Vector value) {
        if (i >= rows || j >= columns) return;
        store_result((value + bias).leaky(e.leak), past_caches, to + (i * d.ow + j) * d.y_pitch);
      });
      continue;
    }
    transform_square_in_steps<Vector, OutputTransform>(product, [&](int i, int j, Vector value) {
      if (i >= rows || j >= columns) return;
      const int64_t pixel = corner + i * d.ow + j;
      finish<Vector>(value, bias, e, pixel, o, count, y + pixel * d.y_pitch + o);
    });
  }
}

// ---- all of it ----

template <class Element>
class Winograd {
 public:
  Winograd(const ConvDims& d, const float* weight, bool flipped)
      : d_(d),
        blocks_(d),
        channels_(round_up(d.c, kLanes)),
        cg_(d.c / d.groups),
        weights_(floats(kWinogradProducts * place_of_weights())) {
    constexpr int kTogether = Factors<Vector, Element>::kTogether;
    const int64_t inputs = blocks_.size() * cg_;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < inputs; i += kTogether) {
      const OutputBlock block = blocks_[i / cg_];
      const int64_t first = block.first - block.group * (d.o / d.groups);
      const int64_t width = block.vectors * lanes_for(d.o / d.groups);
      Taps taps[kTogether];
      for (int t = 0; t < kTogether; ++t) {
        taps[t] = taps_of(d, weight, flipped, block.group, i % cg_ + t);
        taps[t].first += first * taps[t].output;
      }
      Element* to = weights_of(0, i / cg_) + i % cg_ * width;
      if (uses_eight(d.o / d.groups))
        transform_weights<Lanes8>(taps, block, width, to, place_of_weights());
      else
        transform_weights<Vector>(taps, block, width, to, place_of_weights());
    }
  }

  int64_t scratch_floats() const {
    return kWinogradProducts *
           (floats(place_elements<Element>(channels_)) + place_elements<float>(products()) + channels_);
  }

  // Inputs of tiles that are not there are multiplied too.
  void clear(float* scratch) const {
    std::memset(
        scratch, 0,
        static_cast<size_t>(kWinogradProducts * place_elements<Element>(channels_)) * sizeof(Element));
  }

  // Tiles first .. first+count of y.
  void run(const float* x, const Tiles& tiles, int64_t first, int64_t count, const ConvEpilogue& e,
           bool past_caches, float* scratch, float* y) {
    const int64_t input_place = place_elements<Element>(channels_);
    const int64_t product_place = place_elements<float>(products());
    auto* inputs = reinterpret_cast<Element*>(scratch);
    float* results = scratch + floats(kWinogradProducts * input_place);
    float* patch = results + kWinogradProducts * product_place;
    for (int64_t t = 0; t < count; ++t) {
      Tile tile = tiles[first + t];
      tile.row -= d_.pad_h, tile.column -= d_.pad_w;
      transform_tile<InputTransform>({x, d_.h, d_.w, d_.c, d_.x_pitch}, tile, channels_, patch,
                                     inputs + t * channels_, input_place);
    }
    for (int64_t f = 0; f < kWinogradProducts; ++f)
      for (int64_t b = 0; b < blocks_.size(); ++b) {
        const OutputBlock block = blocks_[b];
        multiply_function<Multiply<Element>>(uses_eight(d_.o / d_.groups), block.vectors)(
            inputs + f * input_place + block.group * cg_, channels_, cg_, weights_of(f, b), count,
            results + f * product_place + block.first, products());
      }
    for (int64_t t = 0; t < count; ++t)
      transform_output(d_, tiles[first + t], results + t * products(), product_place, e, past_caches, y);
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
  static int64_t floats(int64_t elements) {
    return elements * static_cast<int64_t>(sizeof(Element)) / 4;
  }
  Element* weights_of(int64_t place, int64_t block) {
    return reinterpret_cast<Element*>(weights_.data()) + place * place_of_weights() +
           block * cg_ * blocks_.width();
  }

  const ConvDims& d_;
  OutputBlocks blocks_;
  int64_t channels_, cg_;
  Buffer weights_;  // [36][block][input][vectors * lanes], of bfloat16 two inputs' side by side
};

template <class Element>
void convolve_by_winograd(const ConvDims& d, const float* x, const float* weight, bool flipped,
                          const ConvEpilogue& e, float* y) {
  Winograd<Element> winograd(d, weight, flipped);
  const Tiles tiles(d);
  const int64_t scratch_floats = round_up(winograd.scratch_floats(), 16);
  Buffer scratch(scratch_floats * omp_get_max_threads());
  const bool past_caches = goes_past_caches(d, y);
#pragma omp parallel
  {
    float* mine = scratch.data() + scratch_floats * omp_get_thread_num();
    winograd.clear(mine);
#pragma omp for schedule(dynamic)
    for (int64_t first = 0; first < tiles.size(); first += kTilesAtATime)
      winograd.run(x, tiles, first, smaller(kTilesAtATime, tiles.size() - first), e, past_caches, mine, y);
    if (past_caches) _mm_sfence();
  }
}

}  // namespace
