// Convolution with 1x1 kernels, a matrix product of pixels and weights; what is multiplied are elements of
// float32 or bfloat16. Included by files that are compiled once per instruction set only (see
// tensor/simd/lanes.h).
//
// Some pixels at a time are copied, rounded where they are multiplied as bfloat16, and multiplied within the
// first-level cache. A value's terms are added in the order of the channels, as by the direct kernels.
#pragma once

#include <omp.h>

#include <cstring>

#include "tensor/conv2d/cpu/kernels.h"
#include "tensor/conv2d/cpu/multiply.h"
#include "tensor/conv2d/cpu/output_blocks.h"
#include "tensor/conv2d/cpu/row_ring.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"
#include "tensor/stop.h"

namespace {

using sr::cpu::ConvDims;

/// Whether it is one: 1x1, every pixel, one group.
inline bool is_pointwise(const ConvDims& d) {
  return d.kh == 1 && d.kw == 1 && d.stride == 1 && d.groups == 1 && d.oh == d.h && d.ow == d.w &&
         d.pad_h == 0 && d.pad_w == 0;
}

template <class Element>
class Pointwise {
  static constexpr int kTogether = Factors<Vector, Element>::kTogether;
  static constexpr int64_t kPixels = 24;

 public:
  Pointwise(const ConvDims& d, const float* weight, bool flipped)
      : d_(d),
        blocks_(d),
        channels_(round_up(d.c, kLanes)),
        weights_(floats(blocks_.size() * block_elements())) {
    for (int64_t b = 0; b < blocks_.size(); ++b) {
      const OutputBlock block = blocks_[b];
      const int64_t width = block.vectors * lanes_for(d.o);
      Element* to = weights_of(b);
      for (int64_t k = 0; k < depth(); k += kTogether)
        for (int64_t i = 0; i < width; i += kLanes8, to += kLanes8 * kTogether)
          pack(weight, flipped, k, block.first + i, to);
    }
  }

  int64_t scratch_floats() const { return floats(kPixels * channels_) + kPixels * results(); }

  // Pixels first .. first+kPixels-1 of y, as far as there are any.
  void run(const float* x, int64_t first, const ConvEpilogue& e, float* scratch, float* y) const {
    const int64_t count = smaller(kPixels, d_.n * d_.h * d_.w - first);
    auto* inputs = reinterpret_cast<Element*>(scratch);
    float* products = scratch + floats(kPixels * channels_);
    for (int64_t p = 0; p < count; ++p) {
      const float* from = x + (first + p) * d_.x_pitch;
      for (int64_t k = 0; k < channels_; k += kLanes)
        store(inputs + p * channels_ + k,
              k + kLanes <= d_.c ? Vector::load(from + k) : Vector::load_first(from + k, d_.c - k));
    }
    for (int64_t b = 0; b < blocks_.size(); ++b) {
      const OutputBlock block = blocks_[b];
      multiply_function<Multiply<Element>>(uses_eight(d_.o), block.vectors)(
          inputs, channels_, depth(), weights_of(b), count, products + block.first, results());
    }
    for (int64_t o = 0; o < d_.o; o += kLanes) {
      const int64_t lanes = smaller(kLanes, d_.o - o);
      const Vector bias = bias_lanes<Vector>(e, o, lanes);
      for (int64_t p = 0; p < count; ++p)
        finish<Vector>(Vector::load(products + p * results() + o), bias, e, first + p, o, lanes,
                       y + (first + p) * d_.y_pitch + o);
    }
  }

  int64_t pieces() const { return (d_.n * d_.h * d_.w + kPixels - 1) / kPixels; }
  static int64_t first_of(int64_t piece) { return piece * kPixels; }

 private:
  static constexpr int64_t kLanes8 = Lanes8::kLanes;

  // Weights of kTogether inputs from `input` on, for eight outputs from `output` on.
  void pack(const float* weight, bool flipped, int64_t input, int64_t output, Element* to) const {
    float of[kTogether][kLanes8] = {};
    for (int t = 0; t < kTogether; ++t)
      for (int64_t i = 0; i < kLanes8; ++i)
        if (input + t < d_.c && output + i < d_.o)
          of[t][i] =
              flipped ? weight[(input + t) * d_.o + output + i] : weight[(output + i) * d_.c + input + t];
    if constexpr (kTogether == 1)
      Lanes8::load(of[0]).store(to);
    else
      store_pairs(to, Lanes8::load(of[0]), Lanes8::load(of[1]));
  }

  int64_t depth() const { return round_up(d_.c, kTogether); }
  int64_t block_elements() const { return round_up(depth() * blocks_.width(), 64); }
  // Floats of one pixel's products: a block's lanes beyond its outputs are overwritten by the next block's
  // first.
  int64_t results() const { return round_up(blocks_[blocks_.size() - 1].first + blocks_.width(), 16); }
  static int64_t floats(int64_t elements) { return elements * static_cast<int64_t>(sizeof(Element)) / 4; }
  Element* weights_of(int64_t block) const {
    return reinterpret_cast<Element*>(const_cast<Buffer&>(weights_).data()) + block * block_elements();
  }

  const ConvDims& d_;
  OutputBlocks blocks_;
  int64_t channels_;
  Buffer weights_;  // [block][input][vectors * lanes], of bfloat16 two inputs' side by side
};

template <class Element>
void convolve_pointwise(const ConvDims& d, const float* x, const float* weight, bool flipped,
                        const ConvEpilogue& e, float* y) {
  const Pointwise<Element> pointwise(d, weight, flipped);
  const int64_t scratch_floats = round_up(pointwise.scratch_floats(), 16);
  Buffer scratch(scratch_floats * omp_get_max_threads());
#pragma omp parallel
  {
    float* mine = scratch.data() + scratch_floats * omp_get_thread_num();
    std::memset(mine, 0, static_cast<size_t>(scratch_floats) * sizeof(float));
#pragma omp for schedule(dynamic, 16)
    for (int64_t piece = 0; piece < pointwise.pieces(); ++piece) {
      if (sr::stopping()) continue;  // the caller throws
      pointwise.run(x, pointwise.first_of(piece), e, mine, y);
    }
  }
}

}  // namespace
