// The kernels of stages whose rows, weights and factors are elements of float32 or bfloat16. Included by
// files that are compiled once per instruction set only (see tensor/simd/lanes.h).
//
// Convolutions 3x3 by Winograd's F(4x4, 3x3). Some of a job's tiles at a time: their inputs are transformed,
// multiplied by the transformed weights in each of the 36 places by itself (a matrix product tiles x inputs x
// outputs), and the products transformed back, all within the second-level cache; a 1x1 convolution follows
// there. A value's terms are added in an order that depends on the weights' shape and on its place within
// its tile only. Transforms and sums are float32: of bfloat16 the transformed inputs and weights are rounded.
#pragma once

#include <cstring>

#include "tensor/bands/first_layer_rows.h"
#include "tensor/bands/job_tiles.h"
#include "tensor/bands/multiply.h"
#include "tensor/bands/winograd_layer.h"
#include "tensor/conv2d/cpu/winograd.h"
#include "tensor/simd/activations.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::Activation;
using sr::bands::winograd::kPlaces;
using sr::bands::winograd::kTiles;
using sr::bands::winograd::Layer;

constexpr int64_t kTilePixels = kTile * kTile;
constexpr int64_t kTileBlock = kTiles * kStep, kBetweenBlock = kTileBlock * kTilePixels;  // Matrix::block
constexpr int64_t kPointwiseTiles = 3;  // whose pixels go through a 1x1 convolution together
static_assert(kTiles % kPointwiseTiles == 0 && kPointwiseTiles * kTilePixels % 24 == 0);

// Asks for the pixels of the next tile that begin in the same rows so many pixels on: rows that were written
// a band ago come from the third level of the cache or from memory, also those that are to be overwritten,
// and the rows of a tile are more than the processor foresees. `rows` are at channel `channel` of their
// pixels, which are to be asked for channel by channel: at once they would fill all of the queue for what is
// missing.
template <int kRows, class Element>
[[gnu::always_inline]] inline void prefetch_next(Element* const (&rows)[kRows], int64_t pixels, int64_t pitch,
                                                 int64_t channel) {
  constexpr int64_t kLine = 64 / sizeof(Element);
  if (channel % kLine != 0) return;
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kTile; ++j) __builtin_prefetch(rows[i] + (pixels + j) * pitch);
}

// ---- inputs ----

// Transforms of tiles first .. first+count-1 -> to[36 places, `place` apart], a Matrix of tiles each.
template <class Element>
void transform_inputs(const Job& job, const JobTiles& tiles, int64_t first, int64_t count, Element* to,
                      int64_t place) {
  const int64_t channels = job.in_pitch;
  for (int64_t t = 0; t < count; ++t, to += kStep) {
    const JobTile tile = tiles[first + t];
    const Element* rows[kWinogradInputs];
    for (int i = 0; i < kWinogradInputs; ++i)
      rows[i] = static_cast<const Element*>(job.in[tile.row + i]) + (tile.column - 1) * channels;
    for (int64_t k = 0; k < channels; k += kLanes) {
      prefetch_next(rows, kWinogradInputs, channels, k);
      Element* of_lanes = to + k / kStep * kTileBlock + k % kStep;
      transform_square<Vector, InputTransform>(
          [&](int i, int j) { return load(rows[i] + j * channels); },
          [&](int i, int j, Vector value) { store(of_lanes + (i * kWinogradInputs + j) * place, value); });
      for (const Element*& row : rows) row += kLanes;
    }
  }
}

// ---- results ----

// What is added to some outputs of a tile's pixels: those `lanes` from `output` on.
template <class Element>
class Added {
 public:
  Added(const Job& job, int64_t output) : output_(output), job_(job) {
    while (output_ >= job.added_pitch[which_]) output_ -= job.added_pitch[which_++];
    pitch_ = job.added_pitch[which_];
  }
  const Element* pixel(int64_t row, int64_t column) const {
    return static_cast<const Element*>(job_.added[which_][row]) + column * pitch_ + output_;
  }
  int64_t pitch() const { return pitch_; }
  int64_t channel() const { return output_; }
  Vector at(int64_t row, int64_t column) const { return load(pixel(row, column)); }

 private:
  int which_ = 0;
  int64_t pitch_ = 0, output_;
  const Job& job_;
};

// The pixels of a tile that are the job's own.
struct Own {
  int64_t row, first_row, last_row;  // `row`: of the job, of the tile's first pixels; own: first .. last-1
  int64_t column, first_column, last_column;

  Own(const Job& job, const JobTile& tile) {
    row = tile.row - rows_above(job), column = tile.column;
    first_row = row < 0 ? -row : 0, last_row = smaller(kTile, job.rows - row);
    first_column = column < job.x ? job.x - column : 0;
    last_column = smaller(kTile, job.x + job.columns - column);
  }
  bool whole() const {
    return first_row == 0 && first_column == 0 && last_row == kTile && last_column == kTile;
  }
  bool has(int64_t i, int64_t j) const {
    return i >= first_row && i < last_row && j >= first_column && j < last_column;
  }
};

// kLanes outputs of a tile from their products, whose places are `place` apart: store(i, j, sums).
template <class Store>
[[gnu::always_inline]] inline void transform_back(const float* products, int64_t place, const float* bias,
                                                  const Store& store) {
  const Vector b = Vector::load(bias);
  transform_square<Vector, OutputTransform>(
      [&](int i, int j) { return Vector::load(products + (i * kWinogradInputs + j) * place); },
      [&](int i, int j, Vector value) { store(i, j, value + b); });
}

// A tile's products -> its outputs in the rows that are written, by a leaky ReLU.
template <class Element>
void store_leaky(const Layer& l, const Job& job, const JobTile& tile, const float* products, int64_t place) {
  const Weights& w = l.convolution;
  const Own own(job, tile);
  for (int64_t o = 0; o < w.outputs; o += kLanes) {
    const int to = o < l.split ? 0 : 1;
    const int64_t pitch = job.out_pitch[to], at = own.column * pitch + o - to * l.split;
    if (own.whole()) {
      Element* rows[kTile];
      for (int64_t i = 0; i < kTile; ++i) rows[i] = static_cast<Element*>(job.out[to][own.row + i]) + at;
      prefetch_next(rows, kTile, pitch, o);
      transform_back(products + o, place, w.bias + o,
                     [&](int i, int j, Vector value) { store(rows[i] + j * pitch, value.leaky(w.leak)); });
    } else {
      transform_back(products + o, place, w.bias + o, [&](int i, int j, Vector value) {
        if (own.has(i, j))
          store(static_cast<Element*>(job.out[to][own.row + i]) + at + j * pitch, value.leaky(w.leak));
      });
    }
  }
}

// The same by what activate(output) gives, a function of the sums, row and column of a pixel. It is long, so
// it is not part of the transform, whose code would become sixteen times as long as it.
template <class Element, class Activate>
void store_activated(const Layer& l, const Job& job, const JobTile& tile, const float* products,
                     int64_t place, const Activate& activate) {
  const Weights& w = l.convolution;
  const Own own(job, tile);
  alignas(64) float sums[kTilePixels * kLanes];
  for (int64_t o = 0; o < w.outputs; o += kLanes) {
    transform_back(products + o, place, w.bias + o,
                   [&](int i, int j, Vector value) { value.store(sums + (i * kTile + j) * kLanes); });
    const auto of_pixel = activate(o);
    const int to = o < l.split ? 0 : 1;
    const int64_t pitch = job.out_pitch[to];
    for (int64_t i = own.first_row; i < own.last_row; ++i) {
      Element* row = static_cast<Element*>(job.out[to][own.row + i]) + own.column * pitch + o - to * l.split;
      for (int64_t j = own.first_column; j < own.last_column; ++j)
        store(row + j * pitch,
              of_pixel(Vector::load(sums + (i * kTile + j) * kLanes), own.row + i, own.column + j));
    }
  }
}

template <class Element>
void store_outputs(const Layer& l, const Job& job, const JobTile& tile, const float* products,
                   int64_t place) {
  switch (l.activation) {
    case Activation::leaky:
      return store_leaky<Element>(l, job, tile, products, place);
    case Activation::silu:
      return store_activated<Element>(l, job, tile, products, place, [](int64_t) {
        return [](Vector z, int64_t, int64_t) { return silu_of(z); };
      });
    case Activation::gate:
      return store_activated<Element>(l, job, tile, products, place, [&](int64_t output) {
        return [added = Added<Element>(job, output)](Vector z, int64_t row, int64_t column) {
          return gate_of(z, added.at(row, column));
        };
      });
  }
}

// kLanes outputs of a tile by a leaky ReLU, with what is added -> to[pixels, kStep apart].
template <class Element>
void store_sums(const Added<Element>& added, const Own& own, const float* products, int64_t place,
                const float* bias, float leak, Element* to) {
  if (own.whole()) {
    const Element* rows[kTile];
    for (int64_t i = 0; i < kTile; ++i) rows[i] = added.pixel(own.row + i, own.column);
    const int64_t pitch = added.pitch();
    prefetch_next(rows, kTile, pitch, added.channel());
    transform_back(products, place, bias, [&](int i, int j, Vector value) {
      store(to + (i * kTile + j) * kStep, value.leaky(leak) + load(rows[i] + j * pitch));
    });
  } else {
    transform_back(products, place, bias, [&](int i, int j, Vector value) {
      if (own.has(i, j))
        store(to + (i * kTile + j) * kStep, value.leaky(leak) + added.at(own.row + i, own.column + j));
    });
  }
}

// A tile's products, with what is added or joined -> between, a Matrix of pixels. Pixels that are not the
// job's own are left out.
template <class Element>
void store_between(const Layer& l, const Job& job, const JobTile& tile, const float* products, int64_t place,
                   Element* between) {
  const Weights& w = l.convolution;
  const Own own(job, tile);
  for (int64_t o = 0; o < w.outputs; o += kLanes) {
    Element* to = between + o / kStep * kBetweenBlock + o % kStep;
    if (l.joins) {
      transform_back(products + o, place, w.bias + o, [&](int i, int j, Vector value) {
        store(to + (i * kTile + j) * kStep, value.leaky(w.leak));
      });
    } else {
      store_sums<Element>(Added<Element>(job, o), own, products + o, place, w.bias + o, w.leak, to);
    }
  }
  // What is joined, behind the outputs.
  for (int64_t k = w.outputs; k < l.pointwise.inputs; k += kLanes) {
    const Added<Element> joined(job, k - w.outputs);
    Element* to = between + k / kStep * kBetweenBlock + k % kStep;
    for (int64_t i = own.first_row; i < own.last_row; ++i)
      for (int64_t j = own.first_column; j < own.last_column; ++j)
        store(to + (i * kTile + j) * kStep, joined.at(own.row + i, own.column + j));
  }
}

// A tile's results of the 1x1 convolution -> the rows that are written.
template <class Element>
void store_pointwise(const Layer& l, const Job& job, const JobTile& tile, const float* results) {
  const Weights& w = l.pointwise;
  const Own own(job, tile);
  for (int64_t i = own.first_row; i < own.last_row; ++i)
    for (int64_t j = own.first_column; j < own.last_column; ++j) {
      const float* from = results + (i * kTile + j) * w.result_floats;
      for (int64_t o = 0; o < w.outputs; o += kLanes) {
        const int to = o < l.split ? 0 : 1;
        store(static_cast<Element*>(job.out[to][own.row + i]) + (own.column + j) * job.out_pitch[to] + o -
                  to * l.split,
              (Vector::load(from + o) + Vector::load(w.bias + o)).leaky(w.leak));
      }
    }
}

// The pixels of tiles first .. first+count-1, in order, through the 1x1 convolution.
template <class Element>
void convolve_pointwise(const Layer& l, const Job& job, const JobTiles& tiles, int64_t first, int64_t count,
                        const Element* between, float* results) {
  for (int64_t t = 0; t < count; t += kPointwiseTiles) {
    multiply_place<Element>(l.pointwise, 0, {between + t * kTilePixels * kStep, kBetweenBlock},
                            kPointwiseTiles * kTilePixels, results);
    for (int64_t i = 0; i < smaller(kPointwiseTiles, count - t); ++i)
      store_pointwise<Element>(l, job, tiles[first + t + i],
                               results + i * kTilePixels * l.pointwise.result_floats);
  }
}

// ---- stages ----

template <class Element>
void winograd_layer(const void* packed, const Job& job) {
  const Layer& l = *static_cast<const Layer*>(packed);
  const JobTiles tiles(job);
  const int64_t results = l.convolution.result_floats;
  const int64_t input_place = l.input_place, product_place = l.product_place;
  auto* scratch = static_cast<unsigned char*>(job.scratch);
  auto* inputs = reinterpret_cast<Element*>(scratch);
  auto* products = reinterpret_cast<float*>(scratch + l.product_bytes);
  auto* between = reinterpret_cast<Element*>(scratch + l.between_bytes);
  for (int64_t first = 0; first < tiles.size(); first += kTiles) {
    const int64_t count = smaller(kTiles, tiles.size() - first);
    transform_inputs(job, tiles, first, count, inputs, input_place);
    for (int64_t f = 0; f < kPlaces; ++f)
      multiply_place<Element>(l.convolution, f, {inputs + f * input_place, kTileBlock}, count,
                              products + f * product_place);
    for (int64_t t = 0; t < count; ++t) {
      const float* of_tile = products + t * results;
      if (l.pointwise.blocks == 0)
        store_outputs<Element>(l, job, tiles[first + t], of_tile, product_place);
      else
        store_between<Element>(l, job, tiles[first + t], of_tile, product_place,
                               between + t * kTilePixels * kStep);
    }
    // The products' memory is free again.
    if (l.pointwise.blocks > 0) convolve_pointwise<Element>(l, job, tiles, first, count, between, products);
  }
}

template <class Element>
void first_layer(const void* packed, const Job& job) {
  first_layer_rows(*static_cast<const FirstLayer*>(packed), job, rows_above(job),
                   [&](int64_t row, int64_t column, int64_t output, Lanes16 values) {
                     store(static_cast<Element*>(job.out[0][row]) + column * job.out_pitch[0] + output,
                           values);
                   });
}

}  // namespace
