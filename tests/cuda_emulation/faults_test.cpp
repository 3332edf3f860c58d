// Planted mistakes in a kernel, and what the emulation makes of each.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/faulty_conv3x3.h"
#include "tests/support/device_array.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

using namespace faulty_conv3x3;
using emulation::Schedule;

constexpr int kImages = 2, kHeight = 7, kWidth = 21;
constexpr unsigned kBlocks = 3;  // for 2 x 2 x 2 tiles

std::vector<bf16> random_values(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<bf16> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(__float2bfloat16(static_cast<float>(random.uniform() * 2 - 1)));
  return values;
}

float at(const std::vector<bf16>& values, int i) {
  return __bfloat162float(values[static_cast<size_t>(i)]);
}

// The convolution at one output, in double.
double expected(const std::vector<bf16>& x, const std::vector<bf16>& weights, int image, int y, int column,
                int o) {
  double sum = 0;
  for (int tap = 0; tap < 9; ++tap) {
    const int sy = y + tap / 3 - 1, sx = column + tap % 3 - 1;
    if (sy < 0 || sy >= kHeight || sx < 0 || sx >= kWidth) continue;
    for (int i = 0; i < kIn; ++i) {
      sum += double{at(x, ((image * kHeight + sy) * kWidth + sx) * kIn + i)} *
             at(weights, (o * 9 + tap) * kIn + i);
    }
  }
  return sum;
}

struct Outcome {
  int wrong = 0;       // outputs
  std::string errors;  // what the emulation said
};

template <Fault fault>
Outcome run(Schedule schedule) {
  const std::vector<bf16> x = random_values(kImages * kHeight * kWidth * kIn, 1);
  const std::vector<bf16> weights = random_values(kWeights, 2);
  const DeviceArray<bf16> dx(x), dw(pack(weights));
  DeviceArray<bf16> dy(kImages * kHeight * kWidth * kOut);
  Outcome outcome;
  emulation::options().schedule = schedule;
  try {
    gpu::launch(conv3x3<fault>, dim3(kBlocks), dim3(kThreads), kSharedBytes, nullptr, dx.data(), dw.data(),
                dy.data(), kImages, kHeight, kWidth);
  } catch (const Error&) {
    for (const std::string& e : emulation::take_errors()) outcome.errors += e + "\n";
  }
  emulation::options() = {};
  const std::vector<bf16> y = dy.to_vector();
  for (int i = 0; i < static_cast<int>(y.size()); ++i) {
    const int pixel = i / kOut, image = pixel / (kHeight * kWidth);
    const double e = expected(x, weights, image, pixel / kWidth % kHeight, pixel % kWidth, i % kOut);
    if (!(std::fabs(at(y, i) - e) <= 0.005 * (std::fabs(e) + 1))) ++outcome.wrong;  // NaN is wrong
  }
  return outcome;
}

constexpr Schedule kSchedules[] = {Schedule::forward, Schedule::reverse, Schedule::random};

// Wrong numbers under every schedule; a race too where races are searched and `race` says there is one.
template <Fault fault>
void expect_wrong(bool race) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<fault>(s);
    EXPECT_GT(outcome.wrong, 0) << "schedule " << static_cast<int>(s);
    const bool found = outcome.errors.find("race in shared memory") != std::string::npos;
    EXPECT_EQ(found, race && emulation::finds_races()) << outcome.errors;
  }
}

TEST(CudaFaults, KernelWithoutFaultIsRightUnderEverySchedule) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::none>(s);
    EXPECT_EQ(outcome.wrong, 0);
    EXPECT_EQ(outcome.errors, "");
  }
}

TEST(CudaFaults, RacesAreSearchedInTheRaceBuildOnly) {
#ifdef __SANITIZE_THREAD__
  EXPECT_TRUE(emulation::finds_races());
#else
  EXPECT_FALSE(emulation::finds_races());
#endif
}

TEST(CudaFaults, MissingBarrierAfterTheWaitIsSeen) {
  expect_wrong<Fault::no_barrier_after_wait>(true);
}

TEST(CudaFaults, MissingBarrierBeforeTheNextTileIsSeen) {
  expect_wrong<Fault::no_barrier_before_next>(true);
}

// Whose own copies have not landed reads NaN, whatever the barriers say.
TEST(CudaFaults, WaitForOneGroupTooFewIsSeen) {
  expect_wrong<Fault::early_wait>(true);
}

TEST(CudaFaults, WrongFragmentRowIsSeen) {
  expect_wrong<Fault::wrong_fragment_row>(false);
}

TEST(CudaFaults, UnwrittenOutputIsSeen) {
  expect_wrong<Fault::unwritten_output>(false);
}

TEST(CudaFaults, HaloOneColumnTooFarIsSeen) {
  if (kInstrumented) {
    EXPECT_DEATH(run<Fault::halo_too_far>(Schedule::forward), "heap-buffer-overflow");
  } else {
    expect_wrong<Fault::halo_too_far>(false);
  }
}

TEST(CudaFaults, PixelPastTheTileIsSeen) {
  if (kInstrumented) {
    EXPECT_DEATH(run<Fault::past_the_tile>(Schedule::forward), "use-after-poison");
    return;
  }
  for (const Schedule s : kSchedules) {
    EXPECT_NE(run<Fault::past_the_tile>(s).errors.find("written 0 bytes past the end of array 1"),
              std::string::npos);
  }
}

TEST(CudaFaults, TwoBlocksWritingOnePixelAreSeen) {
  int wrong = 0;
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::overlapping_blocks>(s);
    wrong += outcome.wrong;
    const bool found = outcome.errors.find("race in global memory") != std::string::npos;
    EXPECT_EQ(found, emulation::finds_races()) << outcome.errors;
  }
  EXPECT_GT(wrong, 0);
}

TEST(CudaFaults, BarrierInOneWarpOnlyIsSeen) {
  for (const Schedule s : kSchedules) {
    const std::string errors = run<Fault::divergent_barrier>(s).errors;
    EXPECT_NE(errors.find("barrier divergence"), std::string::npos) << errors;
  }
}

}  // namespace
}  // namespace sr
