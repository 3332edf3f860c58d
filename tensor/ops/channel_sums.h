// Sums over pixels for each channel: the loops behind reduce.cpp and pointwise.cpp.
#pragma once

#include <algorithm>
#include <vector>

#include "tensor/image_tree.h"
#include "tensor/tensor.h"

namespace sr {

/// Takes the pixels block by block, in any order and from several threads; the sums of a leaf's images are
/// double, and their order is the pixels' whatever the threads.
class ChannelSums {
 public:
  static constexpr int64_t kBlock = 128;  ///< pixels at most, of one leaf

  ChannelSums(const Shape& x, int64_t c)
      : pixels_(x.pixels()),
        leaf_(kImagesOfALeaf * x.h * x.w),
        blocks_of_a_leaf_((leaf_ + kBlock - 1) / kBlock),
        leaves_(leaves_of(x.n)),
        c_(c),
        sums_(static_cast<size_t>(blocks() * c), 0.0) {}

  int64_t blocks() const { return leaves_ * blocks_of_a_leaf_; }  ///< the last ones may be empty
  int64_t begin(int64_t block) const {
    return std::min(pixels_, block / blocks_of_a_leaf_ * leaf_ + block % blocks_of_a_leaf_ * kBlock);
  }
  int64_t end(int64_t block) const {
    const int64_t leaf = (block / blocks_of_a_leaf_ + 1) * leaf_;
    return std::min({pixels_, leaf, begin(block) + kBlock});
  }

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

  /// Of all pixels, in their order.
  std::vector<double> total() const { return total(0, blocks()); }

  /// The same for each leaf, rounded and added by the tree: [1, 1, 1, c].
  Tensor tree_total() const {
    Tensor y(Shape{1, 1, 1, c_});
    std::vector<TreeSum<float>> trees(static_cast<size_t>(c_));
    for (int64_t leaf = 0; leaf < leaves_; ++leaf) {
      const std::vector<double> sums = total(leaf * blocks_of_a_leaf_, (leaf + 1) * blocks_of_a_leaf_);
      for (size_t k = 0; k < sums.size(); ++k) trees[k].add(static_cast<float>(sums[k]));
    }
    for (size_t k = 0; k < trees.size(); ++k) y.data()[k] = leaves_ == 0 ? 0 : trees[k].total();
    return y;
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

  std::vector<double> total(int64_t begin, int64_t end) const {
    std::vector<double> total(static_cast<size_t>(c_), 0.0);
    for (int64_t i = begin * c_; i < end * c_; ++i)
      total[static_cast<size_t>(i % c_)] += sums_[static_cast<size_t>(i)];
    return total;
  }

  int64_t pixels_, leaf_, blocks_of_a_leaf_, leaves_, c_;
  std::vector<double> sums_;  // [block][channel]
};

}  // namespace sr
