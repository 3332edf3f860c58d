// A transposed convolution of rows in float32, compiled once for each instruction set, whose name
// CMakeLists.txt defines SR_SIMD as. The terms of a value are added in the order of kernel row, kernel column
// and channels, sixteen lanes of them by themselves.
#include "tensor/bands/fp32.h"
#include "tensor/bands/job_tiles.h"
#include "tensor/conv2d/cpu/dot_block.h"
#include "tensor/simd/lanes.h"

namespace {

using sr::bands::fp32::Upsampling;

// Values of a row of the job for the filters first .. first+Q-1; `rows` are those that it reads.
template <int Q>
void dot_filters(const Upsampling& u, const Job& job, const float* const* rows, int64_t row, int64_t first) {
  constexpr int kPixels = dot_pixels(Q);
  const int64_t row_values = u.stride * u.result_channels;
  float* to[Q];
  float bias[Q];
  for (int q = 0; q < Q; ++q) {
    to[q] = job.result + (row * u.stride + (first + q) / row_values) * job.result_pitch +
            (first + q) % row_values;
    bias[q] = u.bias[(first + q) % u.result_channels];
  }
  const int64_t terms = u.taps * u.inputs, filter_floats = u.taps * terms;
  const float* w = u.weights + first * filter_floats;
  for (int64_t j = 0; j < job.columns; j += kDotPixels) {
    alignas(64) float sums[kDotPixels * Q * 16] = {};
    const int64_t pixels = job.columns - j < kDotPixels ? job.columns - j : kDotPixels;
    for (int64_t v = 0; v < u.taps; ++v)
      for (int64_t p = 0; p < pixels; p += kPixels)
        for (int64_t lane = 0; lane < 16; lane += kLanes)
          dot_block<Q, kPixels>(rows[v] + (j + p) * u.inputs + lane, u.inputs, w + v * terms + lane,
                                filter_floats, terms, sums + p * Q * 16 + lane);
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t q = 0; q < Q; ++q)
        to[q][(job.x + j + p) * row_values] = sum_of(Lanes16::load(sums + (p * Q + q) * 16)) + bias[q];
  }
}

using DotFunction = void (*)(const Upsampling&, const Job&, const float* const*, int64_t, int64_t);

DotFunction dot_function(int64_t filters) {
  switch (filters) {
    case 1:
      return dot_filters<1>;
    case 2:
      return dot_filters<2>;
    case 3:
      return dot_filters < kFilters >= 3 ? 3 : 2 > ;
    default:
      return dot_filters<kFilters>;
  }
}

}  // namespace

namespace sr::bands::fp32::SR_SIMD {

void upsampling(const void* packed, const Job& job) {
  const Upsampling& u = *static_cast<const Upsampling*>(packed);
  const int64_t filters = u.stride * u.stride * u.result_channels;
  const int64_t blocks = (filters + kFilters - 1) / kFilters, each = (filters + blocks - 1) / blocks;
  for (int64_t r = 0; r < job.rows; ++r) {
    const float* rows[kMostRows];
    for (int64_t v = 0; v < u.taps; ++v)
      rows[v] = static_cast<const float*>(job.in[rows_above(job) + r + v]) + (job.x - u.before) * u.inputs;
    for (int64_t first = 0; first < filters; first += each) {
      const int64_t count = each < filters - first ? each : filters - first;
      dot_function(count)(u, job, rows, job.row + r, first);
    }
  }
}

}  // namespace sr::bands::fp32::SR_SIMD
