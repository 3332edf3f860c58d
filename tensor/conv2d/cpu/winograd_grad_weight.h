// The gradient for 3x3 weights by Winograd's transforms; what is multiplied are elements of float32 or
// bfloat16. Included by files that are compiled once per instruction set only (see tensor/simd/lanes.h).
//
// dw = G^T [sum over tiles of (A dy A^T) * (B^T x B)] G: in each of the 36 places a sum of outer products
// over the tiles. A hundred tiles at a time are transformed, each by one thread; then each place is summed by
// one thread, so that the order of the terms depends on the shapes only.
#pragma once

#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/outer_products.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/conv2d/cpu/winograd_tiles.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::cpu::ConvDims;

constexpr int64_t kTilesSummed = 96;  // of one place, some vectors of these stay in the first-level cache

// Floats from one tile, or two of bfloat16, to the next: an odd number of cache lines, which spreads over all
// sets.
int64_t tile_floats(int64_t channels) {
  return ((channels + 15) / 16 | 1) * 16;
}

// One side transformed: [36 places][tiles][channels], of bfloat16 two tiles' values of a channel side by
// side.
template <class Element>
class Side {
  static constexpr int kTogether = Factors<Vector, Element>::kTogether;

 public:
  Side(const Grid& grid, int64_t tiles)
      : grid_(grid),
        channels_(round_up(grid.c, kLanes)),
        tile_(kTogether * tile_floats(channels_)),
        place_((tiles + kTogether - 1) / kTogether * tile_),
        data_(kWinogradProducts * place_ / kTogether) {}

  // The tiles of a group, whose pixels of image n begin at (row, column): kTogether, or what is left of them.
  // `patch` is room for 108 * channels floats.
  template <class T>
  void transform(int64_t group, const Tile* tiles, int64_t count, float* patch) {
    Element* to = elements() + group * tile_;
    if constexpr (kTogether == 1) {
      transform_tile<T>(grid_, tiles[0].n, tiles[0].row, tiles[0].column, channels_, patch, to, place_);
    } else {
      const int64_t floats = kWinogradProducts * channels_;
      float *first = patch + floats, *second = first + floats;
      transform_tile<T>(grid_, tiles[0].n, tiles[0].row, tiles[0].column, channels_, patch, first, channels_);
      if (count > 1)
        transform_tile<T>(grid_, tiles[1].n, tiles[1].row, tiles[1].column, channels_, patch, second,
                          channels_);
      else
        std::memset(second, 0, static_cast<size_t>(floats) * sizeof(float));
      for (int64_t f = 0; f < kWinogradProducts; ++f)
        for (int64_t k = 0; k < channels_; k += kLanes)
          store_pairs(to + f * place_ + 2 * k, Vector::load(first + f * channels_ + k),
                      Vector::load(second + f * channels_ + k));
    }
  }

  Walk<Element> walk(int64_t place, int64_t channel) {
    return {elements() + place * place_ + kTogether * channel, tile_, 0};
  }
  int64_t channels() const { return channels_; }

 private:
  Element* elements() { return reinterpret_cast<Element*>(data_.data()); }

  Grid grid_;
  int64_t channels_, tile_, place_;
  Buffer data_;
};

template <class Element>
class GradWeight {
  static constexpr int kTogether = Factors<Vector, Element>::kTogether;

 public:
  GradWeight(const ConvDims& d, const float* x, const float* dy)
      : d_(d),
        tiles_(d),
        parts_(tiles_.size(), kTilesSummed),
        inputs_({x, d.h, d.w, d.c, d.x_pitch}, parts_.size),
        outputs_({dy, d.oh, d.ow, d.o, d.y_pitch}, parts_.size),
        sums_(kWinogradProducts * place_of_sums()) {}

  void run(float* dw) {
    const int64_t patch_floats =
        3 * kWinogradProducts *
        (inputs_.channels() > outputs_.channels() ? inputs_.channels() : outputs_.channels());
    Buffer patches(patch_floats * omp_get_max_threads());
    const Parts outputs = outputs_of_a_task();
#pragma omp parallel
    {
      float* patch = patches.data() + patch_floats * omp_get_thread_num();
      for (int64_t part = 0; part < parts_.number; ++part) {
#pragma omp for schedule(dynamic, 4)
        for (int64_t group = 0; group < groups(part); ++group) transform(part, group, patch);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < kWinogradProducts * outputs.number; ++i)
          add_products(part, i / outputs.number, outputs.begin(i % outputs.number),
                       outputs.in(i % outputs.number));
      }
#pragma omp for schedule(static)
      for (int64_t o = 0; o < d_.o; ++o) transform_back(o, dw + o * 9 * d_.c);
    }
  }

 private:
  // Floats from one place to the next: an odd number of cache lines, which spreads over all sets.
  int64_t place_of_sums() const {
    return ((d_.o * inputs_.channels() + 15) / 16 | 1) * 16;
  }

  // All, unless there would be too few tasks for the threads.
  Parts outputs_of_a_task() const {
    const int64_t enough = 4 * omp_get_max_threads();
    const int64_t shares = smaller((enough + kWinogradProducts - 1) / kWinogradProducts, (d_.o + 7) / 8);
    return {d_.o, round_up((d_.o + shares - 1) / shares, 8)};
  }

  // Of kTogether tiles each.
  int64_t groups(int64_t part) const {
    return (parts_.in(part) + kTogether - 1) / kTogether;
  }

  void transform(int64_t part, int64_t group, float* patch) {
    Tile of_inputs[kTogether] = {}, of_outputs[kTogether] = {};
    const int64_t begin = group * kTogether, count = smaller(kTogether, parts_.in(part)-begin);
    for (int64_t i = 0; i < count; ++i) {
      const Tile tile = of_outputs[i] = tiles_[parts_.begin(part) + begin + i];
      of_inputs[i] = {tile.n, tile.row - d_.pad_h, tile.column - d_.pad_w};
    }
    inputs_.template transform<InputTransform>(group, of_inputs, count, patch);
    outputs_.template transform<OutputGradTransform>(group, of_outputs, count, patch);
  }

  // sums[place][o][c] += for outputs first .. first+count; those of the first part are the first.
  void add_products(int64_t part, int64_t place, int64_t first, int64_t count) {
    if (part == 0)
      std::memset(sums_.data() + place * place_of_sums() + first * inputs_.channels(), 0,
                  static_cast<size_t>(count * inputs_.channels()) * sizeof(float));
    const Parts vectors(inputs_.channels() / kLanes, kLargestCount);
    const Parts values(count, values_for(static_cast<int>(vectors.size)));
    for (int64_t v = 0; v < vectors.number; ++v) {
      const int64_t k = vectors.begin(v) * kLanes;
      for (int64_t q = 0; q < values.number; ++q) {
        const int64_t o = first + values.begin(q);
        float* sums = sums_.data() + place * place_of_sums() + o * inputs_.channels() + k;
        sum_function<Element>(values.in(q), vectors.in(v))(inputs_.walk(place, k), kTogether * kLanes,
                                                           outputs_.walk(place, o), 1, groups(part), sums,
                                                           inputs_.channels());
      }
    }
  }

  // The sums of one output -> dw[3][3][c].
  void transform_back(int64_t o, float* dw) {
    for (int64_t k = 0; k < d_.c; k += kLanes) {
      const float* from = sums_.data() + o * inputs_.channels() + k;
      const int64_t count = smaller(kLanes, d_.c - k);
      transform_square_in_steps<Vector, WeightGradTransform>(
          [&](int i, int j) { return Vector::load(from + (i * 6 + j) * place_of_sums()); },
          [&](int u, int v, Vector value) { value.store_first(dw + (u * 3 + v) * d_.c + k, count); });
    }
  }

  const ConvDims& d_;
  Tiles tiles_;
  Parts parts_;
  Side<Element> inputs_, outputs_;
  Buffer sums_;  // [36 places][o][channels of the inputs]
};

template <class Element>
void grad_weight_by_winograd(const ConvDims& d, const float* x, const float* dy, float* dw) {
  GradWeight<Element>(d, x, dy).run(dw);
}

}  // namespace
