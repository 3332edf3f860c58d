// A transposed convolution of rows of float32 or bfloat16. The terms of a value are added in the order of
// kernel row, kernel column and channels, sixteen lanes of them by themselves. Included by files that are
// compiled once per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/bands/job_tiles.h"
#include "tensor/bands/winograd_layer.h"
#include "tensor/conv2d/cpu/dot_block.h"
#include "tensor/simd/elements.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::winograd::Upsampling;

// Values of a row of the job for the filters first .. first+Q-1; `rows` are those that it reads.
template <int Q, class Element>
void dot_filters(const Upsampling& u, const Job& job, const Element* const* rows, int64_t row,
                 int64_t first) {
  constexpr int kPixels = dot_pixels(Q), kTogether = Factors<Vector, Element>::kTogether;
  const int64_t row_values = u.stride * u.result_channels;
  float* to[Q];
  float bias[Q];
  for (int q = 0; q < Q; ++q) {
    to[q] = job.result + (row * u.stride + (first + q) / row_values) * job.result_pitch +
            (first + q) % row_values;
    bias[q] = u.bias[(first + q) % u.result_channels];
  }
  const int64_t terms = u.row_terms, filter_elements = u.taps * terms;
  const Element* w = static_cast<const Element*>(u.weights) + first * filter_elements;
  for (int64_t j = 0; j < job.columns; j += kDotPixels) {
    alignas(64) float sums[kDotPixels * Q * 16] = {};
    const int64_t pixels = job.columns - j < kDotPixels ? job.columns - j : kDotPixels;
    for (int64_t v = 0; v < u.taps; ++v)
      for (int64_t p = 0; p < pixels; p += kPixels)
        for (int64_t lane = 0; lane < 16; lane += kLanes)
          dot_block<Q, kPixels>(rows[v] + (j + p) * u.inputs + lane * kTogether, u.inputs,
                                w + v * terms + lane * kTogether, filter_elements, terms,
                                sums + p * Q * 16 + lane);
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t q = 0; q < Q; ++q)
        to[q][(job.x + j + p) * row_values] = sum_of(Lanes16::load(sums + (p * Q + q) * 16)) + bias[q];
  }
}

template <class Element>
using DotFunction = void (*)(const Upsampling&, const Job&, const Element* const*, int64_t, int64_t);

template <class Element>
DotFunction<Element> dot_function(int64_t filters) {
  switch (filters) {
    case 1:
      return dot_filters<1, Element>;
    case 2:
      return dot_filters<2, Element>;
    case 3:
      return dot_filters < kFilters >= 3 ? 3 : 2, Element > ;
    default:
      return dot_filters<kFilters, Element>;
  }
}

template <class Element>
void upsample_rows(const void* packed, const Job& job) {
  const Upsampling& u = *static_cast<const Upsampling*>(packed);
  const int64_t filters = u.stride * u.stride * u.result_channels;
  const int64_t blocks = (filters + kFilters - 1) / kFilters, each = (filters + blocks - 1) / blocks;
  for (int64_t r = 0; r < job.rows; ++r) {
    const Element* rows[sr::bands::kMostRows];
    for (int64_t v = 0; v < u.taps; ++v)
      rows[v] = static_cast<const Element*>(job.in[rows_above(job) + r + v]) + (job.x - u.before) * u.inputs;
    for (int64_t first = 0; first < filters; first += each) {
      const int64_t count = each < filters - first ? each : filters - first;
      dot_function<Element>(count)(u, job, rows, job.row + r, first);
    }
  }
}

}  // namespace
