// The sum of a batch's gradients, of which each process has computed a part.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autograd/var.h"
#include "distributed/rank_tree.h"
#include "distributed/ranks.h"

namespace sr {

/// Sums gradients, and a few values beside them, over the processes: by the tree, so that the bits do not
/// depend on their number. What a step's last node gives is sent in buckets as soon as one is complete, while
/// the backward pass goes on; others' sums are taken in whenever something is given. The first step tells
/// sizes and order, which must be the same in all processes and steps, and is sent at its end.
class GradientSum {
 public:
  /// Errors: as rank_tree().
  GradientSum(Ranks& ranks, int64_t batch);

  /// The parts of the batch, from left to right, whose gradients are computed one after the other.
  const std::vector<Images>& nodes() const { return tree_.nodes; }

  /// Opens the next node; its values that are summed as well.
  void begin_node(const std::vector<float>& values);
  /// Takes the leaf's gradient away. Of the last node's leaves each gets the sum by finish().
  void give(Var leaf);
  /// Numbers that stay where they are: those of the last node are the sum after finish().
  void give(std::span<float> numbers);
  /// Waits for the sums, gives them to what the last node gave and returns the values'. Errors: those of
  /// Ranks; usage (another number or size was given than in the first step).
  std::vector<float> finish();

 private:
  // Where a sum goes: to a leaf, or to numbers.
  struct Given {
    Var leaf;
    std::span<float> numbers;
  };
  // What is sent at once: these numbers of the layout, those of places first .. last - 1.
  struct Bucket {
    int64_t begin = 0, end = 0;
    size_t last_place = 0;
    size_t step = 0;  // of the tree's that is the next, behind which are those down the tree of processes
    bool given = false, summed = false;
    std::vector<Ranks::Request> received;  // in the order of their steps; the last is the sum
    std::vector<Ranks::Request> sent;
  };

  void put(const float* values, int64_t size);
  void expect_sum(Given given);
  void lay_out();
  void start_step();
  void complete(size_t place);
  void advance();
  bool advance(Bucket& bucket, int tag);
  bool take(Bucket& bucket, int tag, const SumStep& step);
  float* node(int64_t number) { return sums_[static_cast<size_t>(number)].data(); }

  Ranks& ranks_;
  RankTree tree_;
  std::vector<int64_t> places_;             // where each thing given begins; one more for the end
  std::vector<std::vector<float>> sums_;    // of the nodes
  std::vector<std::vector<float>> others_;  // of each step that receives
  Tensor total_;
  std::vector<Bucket> buckets_;
  std::vector<Given> given_;  // of the last node
  size_t nodes_begun_ = 0, place_ = 0, next_bucket_ = 0;
  bool laid_out_ = false;
};

}  // namespace sr
