// Which images of a batch each process has, and who adds whose sums: the tree of tensor/image_tree.h.
#pragma once

#include <cstdint>
#include <vector>

namespace sr {

/// Images begin (inclusive) to end (exclusive) of a batch.
struct Images {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
  bool operator==(const Images&) const = default;
};

/// The images of one process: a range of leaves, about as many as others have. Errors: usage (there are more
/// processes than leaves).
Images images_of_rank(int64_t batch, int rank, int size);

/// What a process does with the sums of its nodes, in this order. What it sends to one other arrives there in
/// the order of the other's steps.
struct SumStep {
  enum class Kind {
    add,          ///< node += node `other`, both its own
    receive_add,  ///< node += what process `other` sends
    send          ///< node to process `other`
  };
  Kind kind;
  int64_t node, other;
  bool operator==(const SumStep&) const = default;
};

/// The largest nodes that a process has all images of, from left to right, and the steps: then node 0 of
/// process 0 is the whole batch's sum.
struct RankTree {
  std::vector<Images> nodes;
  std::vector<SumStep> steps;
};
/// Errors: as images_of_rank().
RankTree rank_tree(int64_t batch, int rank, int size);

}  // namespace sr
