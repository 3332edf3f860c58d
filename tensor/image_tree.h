// Sums over the images of a batch by one fixed tree, so that parts of it can be summed apart, by other
// processes too, and come to the same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace sr {

constexpr int64_t kImagesOfALeaf = 2;  ///< are summed in whatever way, but always the same

/// How many leaves a batch has; the last one may have fewer images.
constexpr int64_t leaves_of(int64_t images) {
  return (images + kImagesOfALeaf - 1) / kImagesOfALeaf;
}

/// How many of a node's leaves belong to its left child: the largest power of two that leaves some for the
/// right one. So each node is summed as it would be if its images were the whole batch.
constexpr int64_t leaves_on_the_left(int64_t leaves) {
  int64_t left = 1;
  while (2 * left < leaves) left *= 2;
  return left;
}

/// Sums what leaves give, in their order, by the tree. T is added by +=, left += right.
template <class T>
class TreeSum {
 public:
  void add(T leaf) {
    nodes_.push_back(std::move(leaf));
    for (int64_t number = ++leaves_; number % 2 == 0; number /= 2) join();
  }

  /// The sum of one leaf at least.
  T total() {
    while (nodes_.size() > 1) join();
    return std::move(nodes_[0]);
  }

 private:
  void join() {
    T right = std::move(nodes_.back());
    nodes_.pop_back();
    nodes_.back() += right;
  }

  int64_t leaves_ = 0;
  std::vector<T> nodes_;  // whose sums are complete, each left of the next
};

/// Calls f(first image, behind the last) for each of the leaves, or for each so many of them.
template <class F>
void for_each_leaf(int64_t images, const F& f, int64_t leaves = 1) {
  const int64_t step = leaves * kImagesOfALeaf;
  for (int64_t begin = 0; begin < images; begin += step) f(begin, std::min(images, begin + step));
}

}  // namespace sr
