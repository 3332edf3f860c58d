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
  // A tile has room for `room` channels, of which those beyond the grid's hold anything.
  Side(const Grid& grid, int64_t room, int64_t tiles)
      : grid_(grid),
        channels_(round_up(grid.c, kLanes)),
        tile_(kTogether * tile_floats(room > channels_ ? room : channels_)),
        place_((tiles + kTogether - 1) / kTogether * tile_),
        data_(kWinogradProducts * place_ / kTogether) {}

  // The tiles of a group, kTogether or what is left of them; their first pixels are given. `patch` is room
  // for 72 * channels floats.
  template <class T>
  void transform(int64_t group, const Tile* tiles, int64_t count, float* patch) {
    Element* to = elements() + group * tile_;
    if constexpr (kTogether == 1)
      transform_tile<T>(grid_, tiles[0], channels_, patch, to, place_);
    else
      transform_tiles<T>(grid_, tiles, count, channels_, patch, to, place_);
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
        cg_(d.c / d.groups),
        og_(d.o / d.groups),
        width_(round_up(cg_, kLanes)),
        inputs_({x, d.h, d.w, d.c, d.x_pitch}, d.c - cg_ + width_, parts_.size),
        outputs_({dy, d.oh, d.ow, d.o, d.y_pitch}, d.o, parts_.size),
        sums_(kWinogradProducts * place_of_sums()) {}

  void run(float* dw) {
    const int64_t patch_floats =
        2 * kWinogradProducts *
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
          for (int64_t g = 0; g < d_.groups; ++g)
            add_products(part, i / outputs.number, g, outputs.begin(i % outputs.number),
                         outputs.in(i % outputs.number));
      }
#pragma omp for schedule(static)
      for (int64_t o = 0; o < d_.o; ++o) transform_back(o, dw + o * 9 * cg_);
    }
  }

 private:
  // Floats from one place to the next: an odd number of cache lines, which spreads over all sets.
  int64_t place_of_sums() const {
    return ((d_.o * width_ + 15) / 16 | 1) * 16;
  }

  // Of each group: all, unless there would be too few tasks for the threads.
  Parts outputs_of_a_task() const {
    const int64_t enough = 4 * omp_get_max_threads();
    const int64_t shares = smaller((enough + kWinogradProducts - 1) / kWinogradProducts, (og_ + 7) / 8);
    return {og_, round_up((og_ + shares - 1) / shares, 8)};
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

  // sums[place][o][c] += for outputs first .. first+count of a group; those of the first part are the first.
  // Lanes beyond the group's inputs hold another's.
  void add_products(int64_t part, int64_t place, int64_t g, int64_t first, int64_t count) {
    float* of_group = sums_.data() + place * place_of_sums() + g * og_ * width_;
    if (part == 0)
      std::memset(of_group + first * width_, 0, static_cast<size_t>(count * width_) * sizeof(float));
    const Parts vectors(width_ / kLanes, kLargestCount);
    const Parts values(count, values_for(static_cast<int>(vectors.size)));
    for (int64_t v = 0; v < vectors.number; ++v) {
      const int64_t k = vectors.begin(v) * kLanes;
      for (int64_t q = 0; q < values.number; ++q) {
        const int64_t o = first + values.begin(q);
        sum_function<Element>(values.in(q), vectors.in(v))(
            inputs_.walk(place, g * cg_ + k), kTogether * kLanes, outputs_.walk(place, g * og_ + o), 1,
            groups(part), of_group + o * width_ + k, width_);
      }
    }
  }

  // The sums of one output -> dw[3][3][cg].
  void transform_back(int64_t o, float* dw) {
    for (int64_t k = 0; k < cg_; k += kLanes) {
      const float* from = sums_.data() + o * width_ + k;
      const int64_t count = smaller(kLanes, cg_ - k);
      transform_square_in_steps<Vector, WeightGradTransform>(
          [&](int i, int j) { return Vector::load(from + (i * 6 + j) * place_of_sums()); },
          [&](int u, int v, Vector value) { value.store_first(dw + (u * 3 + v) * cg_ + k, count); });
    }
  }

  const ConvDims& d_;
  Tiles tiles_;
  Parts parts_;
  int64_t cg_, og_, width_;  // inputs and outputs of a group, lanes for its inputs
  Side<Element> inputs_, outputs_;
  Buffer sums_;  // [36 places][o][width]
};

template <class Element>
void grad_weight_by_winograd(const ConvDims& d, const float* x, const float* dy, float* dw) {
  GradWeight<Element>(d, x, dy).run(dw);
}

}  // namespace
