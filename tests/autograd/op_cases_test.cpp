// Every operation on Vars through every check.
#include <gtest/gtest.h>

#include "tests/autograd/op_checks.h"

namespace sr {
namespace {

TEST(Op, AgreesWithDoublePrecisionLoopsRecordingOrNot) {
  for (const OpCase& c : op_cases()) expect_forward(c);
}

TEST(Op, GradientsAreTheLoopsDerivativeAlongRandomDirections) {
  for (const OpCase& c : op_cases()) expect_gradients(c);
}

TEST(Op, GradientIsTheAdjointOfALinearOperation) {
  for (const OpCase& c : op_cases()) expect_adjoint(c);
}

TEST(Op, AnyNumberOfThreadsGivesTheSameBits) {
  for (const OpCase& c : op_cases()) expect_same_bits_for_any_threads(c);
}

TEST(Op, WritesAllThatItReads) {
  for (const OpCase& c : op_cases()) expect_fresh_memory_is_not_read(c);
}

TEST(Op, TakesChannelViews) {
  for (const OpCase& c : op_cases()) expect_views_are_taken(c);
}

}  // namespace
}  // namespace sr
