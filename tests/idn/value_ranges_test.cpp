#include "idn/value_ranges.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace sr {
namespace {

TEST(ValueRanges, AreWrittenAsOnePairOrAPairForEachBand) {
  EXPECT_EQ(numbers_of({{0, 4095}}), (std::vector<double>{0, 4095}));
  EXPECT_EQ(numbers_of({{0, 4095}, {0, 4095}}), (std::vector<double>{0, 4095}));
  const ValueRanges unlike{{0, 4095}, {-1, 1}};
  EXPECT_EQ(numbers_of(unlike), (std::vector<double>{0, 4095, -1, 1}));
  EXPECT_EQ(ranges_from(numbers_of(unlike)), unlike);
  for (const std::vector<double>& bad : {std::vector<double>{}, {1}, {5, 5}, {0, 1, 3}, {0, 1, 3, 2}})
    expect_error(Error::Kind::format, "the lower first", [&] { ranges_from(bad); });
}

TEST(ValueRanges, AreToldInGroupsOfBandsThatCountFromOne) {
  EXPECT_EQ(text_of({{0, 255}, {0, 255}}), "0..255");
  EXPECT_EQ(text_of({{0.02, 0.42}, {12, 2800}, {0.02, 0.42}, {0.02, 0.42}}),
            "0.02..0.42 (bands 1, 3-4), 12..2800 (band 2)");
  EXPECT_EQ(text_of({{0, 1}, {0, 2}}, {0, 2}), "0..1 (band 1), 0..2 (band 3)");
  const ValueRanges many{{0, 1}, {0, 2}, {0, 1}, {0, 3}, {0, 4}};
  EXPECT_EQ(text_of(many, {}, 2), "0..1 (bands 1, 3), 0..2 (band 2), and those of 2 more bands");
  EXPECT_EQ(text_of(many, {}, 3),
            "0..1 (bands 1, 3), 0..2 (band 2), 0..3 (band 4), and those of 1 more band");
  EXPECT_EQ(text_of(many, {}, 4), "0..1 (bands 1, 3), 0..2 (band 2), 0..3 (band 4), 0..4 (band 5)");
}

TEST(ValueRanges, OfBandsThatOverlapByHalfOfTheWiderAreJoined) {
  const ValueRanges ranges{{200, 2200}, {300, 3000}, {1000, 5400}, {0.1, 0.9}};
  EXPECT_EQ(joined(ranges), (ValueRanges{{200, 3000}, {200, 3000}, {1000, 5400}, {0.1, 0.9}}));
  // The middle one links the outer two.
  EXPECT_EQ(joined({{0, 10}, {8, 18}, {4, 14}}), (ValueRanges{{0, 18}, {0, 18}, {0, 18}}));
}

}  // namespace
}  // namespace sr
