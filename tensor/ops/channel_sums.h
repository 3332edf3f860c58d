// Sums over pixels for each channel: the loops behind reduce.cpp and pointwise.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "tensor/tensor.h"

namespace sr {

/// Takes the pixels block by block, in any order and from several threads; the sums are double, and their
/// order is the pixels' whatever the threads.
class ChannelSums {
 public:
  static constexpr int64_t kBlock = 128;  ///< pixels

  ChannelSums(int64_t pixels, int64_t c)
      : pixels_(pixels), c_(c), sums_(static_cast<size_t>(blocks() * c), 0.0) {}

  int64_t blocks() const { return (pixels_ + kBlock - 1) / kBlock; }
  int64_t begin(int64_t block) const { return block * kBlock; }
  int64_t end(int64_t block) const { return std::min(pixels_, (block + 1) * kBlock); }

  /// x is the block's first pixel; the next lies `pitch` floats farther.
  void take(int64_t block, const float* x, int64_t pitch) {
    const int64_t pixels = end(block) - begin(block);
    for (int64_t k = 0; k < c_; k += kTogether)
      if (c_ - k >= kTogether)
        add_up(x + k, pixels, pitch, kTogether, &sums_[static_cast<size_t>(block * c_ + k)]);
      else
        add_up(x + k, pixels, pitch, c_ - k, &sums_[static_cast<size_t>(block * c_ + k)]);
  }

  /// Where a block's sums go, for who adds its pixels up himself.
  double* of(int64_t block) { return &sums_[static_cast<size_t>(block * c_)]; }

  std::vector<double> total() const {
    std::vector<double> total(static_cast<size_t>(c_), 0.0);
    for (size_t i = 0; i < sums_.size(); ++i) total[i % static_cast<size_t>(c_)] += sums_[i];
    return total;
  }

 private:
  static constexpr int64_t kTogether = 8;

  [[gnu::always_inline]] static inline void add_up(const float* x, int64_t pixels, int64_t pitch,
                                                   int64_t channels, double* sums) {
    double sum[kTogether] = {};
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t k = 0; k < channels; ++k) sum[k] += double{x[p * pitch + k]};
    std::copy_n(sum, channels, sums);
  }

  int64_t pixels_, c_;
  std::vector<double> sums_;  // [block][channel]
};

}  // namespace sr
