// What makes strips of columns safe: where they end from stage to stage, and who waits for whom.
#include "tensor/bands/strips.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sr::bands {
namespace {

constexpr int64_t kWidth = 1000;

// Kernels of 3, 5, 1 and 3 rows and columns, and an upsampling.
Program mixed_program() {
  Program program;
  Rows rows = program.image(1);
  for (const int64_t k : {3, 5, 1, 3})
    rows = program.convolution(rows, Tensor(Shape{16, k, k, rows.channels}), Tensor(Shape{1, 1, 1, 16}), 1);
  program.upsampling(rows, Tensor(Shape{16, 9, 9, 1}), Tensor(Shape{1, 1, 1, 1}), 2, 3);
  return program;
}

struct Case {
  Program program = mixed_program();
  Kernels kernels{};
  std::vector<PackedStage> packed;
  std::vector<int64_t> phases;

  explicit Case(int64_t align, int64_t beyond) : packed(program.stages().size()) {
    kernels.align = align, kernels.columns = 96;
    for (PackedStage& stage : packed) stage.beyond = beyond;
    phases = grid_phases(program, align, align - 1);
  }
  Strips strips(int64_t threads) const { return {program, packed, kernels, kWidth, phases, threads}; }
};

std::vector<Case> cases() {
  return {Case(4, 0), Case(1, 0), Case(1, 3)};
}

TEST(Strips, CoverEveryColumnOfEveryStageOnceAndBeginWhereTilesDo) {
  for (const Case& c : cases())
    for (const int64_t threads : {1, 4, 20}) {
      const Strips strips = c.strips(threads);
      for (size_t stage = 0; stage < c.packed.size(); ++stage) {
        EXPECT_EQ(strips.begin(0, stage), 0);
        EXPECT_EQ(strips.end(strips.size() - 1, stage), kWidth);
        for (int64_t s = 1; s < strips.size(); ++s) {
          const int64_t begin = strips.begin(s, stage);
          EXPECT_EQ(begin, strips.end(s - 1, stage));
          EXPECT_LE(begin, strips.end(s, stage));
          if (begin > 0) {
            EXPECT_EQ((begin + c.phases[stage]) % c.kernels.align, 0);
          }
        }
      }
    }
}

TEST(Strips, EndWhereAllIsThereThatAStageReadsAndNothingIsReadAnyMoreThatItMayOverwrite) {
  for (const Case& c : cases()) {
    const Strips strips = c.strips(4);
    ASSERT_GT(strips.size(), 4);
    for (int64_t s = 0; s + 1 < strips.size(); ++s)
      for (size_t i = 1; i < c.packed.size(); ++i) {
        const Stage &stage = c.program.stages()[i], &earlier = c.program.stages()[i - 1];
        if (strips.end(s, i) == 0) continue;
        EXPECT_LE(strips.end(s, i) + stage.after + c.packed[i].beyond, strips.end(s, i - 1));
        EXPECT_LE(strips.end(s, i), strips.end(s, i - 1) - earlier.before);
      }
  }
}

TEST(Strips, OfTheNextBandWaitForThoseThatReadWhereTheyWrite) {
  for (const Case& c : cases()) {
    const Strips strips = c.strips(20);
    const size_t last = c.packed.size() - 1;
    for (int64_t s = 0; s < strips.size(); ++s) {
      const int64_t waits = strips.last_before(s);
      EXPECT_GE(waits, s);
      for (int64_t later = waits + 1; later < strips.size(); ++later)
        EXPECT_GE(strips.begin(later, last) - c.program.stages()[last].before, strips.end(s, 0));
    }
  }
}

TEST(Strips, AreAsManyAsThreadsNeedIfTheImageIsWideEnough) {
  for (const Case& c : cases()) {
    for (const int64_t threads : {1, 2, 5, 20}) EXPECT_GE(c.strips(threads).at_once(), threads);
    EXPECT_EQ(c.strips(1).size(), 6) << "of 1,000 columns, 192 at most each";
    EXPECT_LT(c.strips(500).at_once(), 500);
  }
}

}  // namespace
}  // namespace sr::bands
