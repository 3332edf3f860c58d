#include "distributed/rank_tree.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/image_tree.h"

namespace sr {
namespace {

// The tree of one process, walked from the root.
class Walk {
 public:
  Walk(int64_t batch, int rank, int size)
      : batch_(batch), leaves_(leaves_of(batch)), rank_(rank), size_(size) {}

  RankTree tree() {
    visit(0, leaves_);
    return std::move(tree_);
  }

 private:
  // A node is its left-most leaf's owner's.
  int64_t owner(int64_t leaf) const {
    int64_t rank = leaf * size_ / leaves_;
    while (first_leaf(rank + 1) <= leaf) ++rank;
    while (first_leaf(rank) > leaf) --rank;
    return rank;
  }
  int64_t first_leaf(int64_t rank) const { return rank * leaves_ / size_; }
  bool takes_part(int64_t begin, int64_t end) const {
    return first_leaf(rank_) < end && first_leaf(rank_ + 1) > begin;
  }
  bool has_all(int64_t begin, int64_t end) const {
    return first_leaf(rank_) <= begin && first_leaf(rank_ + 1) >= end;
  }

  // The number of the node that holds the sum of leaves begin .. end - 1, of this process if it is the owner.
  int64_t visit(int64_t begin, int64_t end) {
    if (!takes_part(begin, end)) return -1;
    if (has_all(begin, end)) {
      tree_.nodes.push_back({begin * kImagesOfALeaf, std::min(batch_, end * kImagesOfALeaf)});
      return std::ssize(tree_.nodes) - 1;
    }
    const int64_t middle = begin + leaves_on_the_left(end - begin);
    const int64_t left = visit(begin, middle), right = visit(middle, end);
    const int64_t to = owner(begin), from = owner(middle);
    if (to == rank_ && from == rank_)
      tree_.steps.push_back({SumStep::Kind::add, left, right});
    else if (to == rank_)
      tree_.steps.push_back({SumStep::Kind::receive_add, left, from});
    else if (from == rank_)
      tree_.steps.push_back({SumStep::Kind::send, right, to});
    return left;
  }

  int64_t batch_, leaves_, rank_, size_;
  RankTree tree_;
};

void check(int64_t batch, int size) {
  if (size > leaves_of(batch))
    throw Error(Error::Kind::usage, size, " processes for batches of ", batch, " patches: each takes ",
                kImagesOfALeaf, " at least; start ", leaves_of(batch), " or fewer, or use --batch_size ",
                kImagesOfALeaf * size, " or more");
}

}  // namespace

Images images_of_rank(int64_t batch, int rank, int size) {
  check(batch, size);
  const int64_t leaves = leaves_of(batch), begin = rank * leaves / size, end = (rank + 1) * leaves / size;
  return {begin * kImagesOfALeaf, std::min(batch, end * kImagesOfALeaf)};
}

RankTree rank_tree(int64_t batch, int rank, int size) {
  check(batch, size);
  return Walk(batch, rank, size).tree();
}

}  // namespace sr
