// Input rows padded with zeros, so that convolution kernels need no cases for borders. Included by *_simd.cpp
// files only (see tensor/simd/lanes.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/allocator.h"
#include "tensor/conv2d/cpu/kernels.h"

namespace {

using sr::cpu::ConvDims;
using sr::cpu::kLargestKernel;

inline int64_t round_up(int64_t a, int64_t b) {
  return (a + b - 1) / b * b;
}
inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// Floats of a kernel's call, 64-byte aligned. Made before a parallel region, which an exception must not
// leave.
class Buffer {
 public:
  explicit Buffer(int64_t size) : data_(static_cast<float*>(sr::take_scratch(size * 4 + 64))) {}
  ~Buffer() { sr::give_back_scratch(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  float* data() { return data_; }

 private:
  float* data_;
};

// The last kh input rows that were asked for, each padded with zeros on both sides and to `channels`
// channels.
class RowRing {
 public:
  // Pixels of a padded row that serves `ow` outputs and up to `spare` more that are computed and dropped.
  static int64_t width(const ConvDims& d, int64_t spare) { return (d.ow + spare - 1) * d.stride + d.kw; }

  // `rows` holds kh * width * channels floats.
  RowRing(const ConvDims& d, int64_t channels, int64_t width, float* rows)
      : d_(d), channels_(channels), width_(width), rows_(rows) {
    std::memset(rows, 0, static_cast<size_t>(d.kh * width * channels) * sizeof(float));
    for (int64_t i = 0; i < d.kh; ++i) held_[i] = -1;
  }

  // Start of input row `row` of image n; the first float belongs to column -pad_w.
  const float* row(const float* x, int64_t n, int64_t row) {
    const int64_t slot = ((row % d_.kh) + d_.kh) % d_.kh;
    float* to = rows_ + slot * width_ * channels_;
    const int64_t key = (n << 32) + row + d_.kh;  // rows outside the image are at most kh away
    if (held_[slot] == key) return to;
    held_[slot] = key;
    fill(to, x, n, row);
    return to;
  }

 private:
  void fill(float* to, const float* x, int64_t n, int64_t row) {
    if (row < 0 || row >= d_.h) {
      std::memset(to, 0, static_cast<size_t>(width_ * channels_) * sizeof(float));
      return;
    }
    const int64_t first = d_.pad_w < 0 ? -d_.pad_w : 0;
    const int64_t begin = d_.pad_w < 0 ? 0 : d_.pad_w;
    const int64_t end = smaller(width_, begin + d_.w - first);
    const float* from = x + ((n * d_.h + row) * d_.w + first) * d_.x_pitch;
    if (begin > 0)
      std::memset(to, 0, static_cast<size_t>(smaller(begin, width_) * channels_) * sizeof(float));
    for (int64_t j = begin; j < end; ++j)
      std::memcpy(to + j * channels_, from + (j - begin) * d_.x_pitch,
                  static_cast<size_t>(d_.c) * sizeof(float));
    if (end < width_) {
      const int64_t from_column = end > begin ? end : smaller(begin, width_);
      std::memset(to + from_column * channels_, 0,
                  static_cast<size_t>((width_ - from_column) * channels_) * sizeof(float));
    }
  }

  const ConvDims& d_;
  int64_t channels_, width_;
  float* rows_;
  int64_t held_[kLargestKernel];
};

}  // namespace
