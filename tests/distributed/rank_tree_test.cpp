// Symbols instead of numbers: which sum comes out shows in what order it was added.
#include "distributed/rank_tree.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>

#include "tensor/image_tree.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

struct Symbol {
  std::string text;
  void operator+=(const Symbol& right) { text = "(" + text + "+" + right.text + ")"; }
};

// The sum of a range of images, whose leaves are named by their first ones.
Symbol sum_of(const Images& images) {
  TreeSum<Symbol> sum;
  for (int64_t i = images.begin; i < images.end; i += kImagesOfALeaf) sum.add({std::to_string(i)});
  return sum.total();
}

// What the first of `size` processes holds when all have taken their steps, messages arriving in their order.
std::string summed_by(int64_t batch, int size) {
  std::vector<RankTree> trees;
  std::vector<std::vector<Symbol>> sums(static_cast<size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    trees.push_back(rank_tree(batch, rank, size));
    for (const Images& node : trees.back().nodes) sums[static_cast<size_t>(rank)].push_back(sum_of(node));
  }
  std::map<std::pair<int64_t, int64_t>, std::deque<Symbol>> messages;  // by sender and receiver
  std::vector<size_t> next(trees.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t rank = 0; rank < trees.size(); ++rank) {
      if (next[rank] == trees[rank].steps.size()) continue;
      const SumStep& step = trees[rank].steps[next[rank]];
      Symbol& own = sums[rank][static_cast<size_t>(step.node)];
      const auto self = static_cast<int64_t>(rank);
      if (step.kind == SumStep::Kind::add) {
        own += sums[rank][static_cast<size_t>(step.other)];
      } else if (step.kind == SumStep::Kind::send) {
        messages[{self, step.other}].push_back(own);
      } else {
        std::deque<Symbol>& waiting = messages[{step.other, self}];
        if (waiting.empty()) continue;
        own += waiting.front();
        waiting.pop_front();
      }
      ++next[rank];
      moved = true;
    }
  }
  for (size_t rank = 0; rank < trees.size(); ++rank)
    EXPECT_EQ(next[rank], trees[rank].steps.size()) << "rank " << rank << " of " << size << " waits for ever";
  return sums[0][0].text;
}

TEST(RankTree, TheSumIsOneTreesForAnyNumberOfProcesses) {
  EXPECT_EQ(sum_of({0, 14}).text, "(((0+2)+(4+6))+((8+10)+12))");
  for (int64_t batch = 1; batch <= 70; ++batch)
    for (int size = 1; size <= leaves_of(batch); ++size)
      ASSERT_EQ(summed_by(batch, size), sum_of({0, batch}).text)
          << batch << " images, " << size << " processes";
}

TEST(RankTree, EachImageIsOneProcesssAndTheyHaveAboutAsMany) {
  for (int64_t batch : {1, 2, 15, 16, 64, 257})
    for (int size = 1; size <= leaves_of(batch); ++size) {
      int64_t end = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Images own = images_of_rank(batch, rank, size);
        EXPECT_EQ(own.begin, end);
        EXPECT_GE(own.count(), 1);
        EXPECT_LE(own.count(), batch / size + 2 * kImagesOfALeaf);
        const RankTree tree = rank_tree(batch, rank, size);
        for (const Images& node : tree.nodes) {
          EXPECT_EQ(node.begin, end);
          end = node.end;
        }
        EXPECT_EQ(end, own.end);
      }
      EXPECT_EQ(end, batch);
    }
}

TEST(RankTree, MoreProcessesThanPairsOfPatchesAreRefused) {
  expect_error(Error::Kind::usage, "start 8 or fewer, or use --batch_size 18",
               [] { images_of_rank(16, 0, 9); });
  expect_error(Error::Kind::usage, "9 processes", [] { rank_tree(16, 8, 9); });
}

}  // namespace
}  // namespace sr
