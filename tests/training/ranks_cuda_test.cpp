// Training steps on GPUs that several processes share, whose gradients go through the host's memory.
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/expect_error.h"
#include "tests/training/ranks_as_threads.h"

namespace sr {
namespace {

using cuda::Precision;

constexpr int64_t kBatch = 6;

class RanksOnGpu : public testing::Test {
 protected:
  ~RanksOnGpu() override { cuda::set_precision(Precision::fp32); }
};

// Alone the sum is what it was, so that only its way is another.
TEST_F(RanksOnGpu, TheWayThroughTheHostsMemoryKeepsBits) {
  for (const Precision precision : {Precision::fp16, Precision::tf32}) {
    cuda::set_precision(precision);
    TrainerOptions o = options(Device::cuda);
    o.clip_norm = 0.1;
    o.rate_multipliers = true;
    Trainer recorded(tiny_model(), o), through(tiny_model(), o);
    Ranks alone;
    through.share_steps(alone, 2);
    EXPECT_EQ(through.ahead(), 0);
    for (int i = 0; i < 2; ++i) {
      const StepResult a = step(recorded), b = step(through);
      EXPECT_EQ(b.loss, a.loss);
      EXPECT_EQ(b.gradient_norm, a.gradient_norm);
    }
    EXPECT_TRUE(bytes_of(through) == bytes_of(recorded)) << cuda::name_of(precision);
  }
}

// Of two and four images, whose sums are rounded elsewhere; Adam's first steps go as far for small gradients
// as for large ones.
TEST_F(RanksOnGpu, TheSameNumberGivesTheSameBitsInAllAndNearlyThoseOfOne) {
  TrainerOptions o = options(Device::cuda);
  Trainer one(tiny_model(), o);
  StepResult last;
  for (uint64_t t = 0; t < kSteps; ++t) last = one.step(whole_batch(t), 0);
  for (const int size : {2, 3}) {
    const std::vector<Trained> all = trained_by(size, tiny_model(), o);
    const std::string first = bytes_of(all[0]);
    for (const Trained& other : all) {
      EXPECT_TRUE(bytes_of(other) == first) << size;
      EXPECT_NEAR(other.last.loss, last.loss, 1e-5 * last.loss) << size;
      EXPECT_NEAR(other.last.gradient_norm, last.gradient_norm, 1e-4 * last.gradient_norm) << size;
    }
    EXPECT_TRUE(bytes_of(trained_by(size, tiny_model(), o)[0]) == first) << size << " once more";
    EXPECT_LT(difference(Model::from_checkpoint(all[0].checkpoint, "all"), one.model(), tiny_model()), 0.02)
        << size;
  }
}

// Their branches' gradients are of what is merged anew in each step.
TEST_F(RanksOnGpu, SpanToo) {
  TrainerOptions o = options(Device::cuda);
  Trainer one(small_span(), o);
  for (uint64_t t = 0; t < kSteps; ++t) one.step(whole_batch(t), 0);
  const std::vector<Trained> all = trained_by(2, small_span(), o);
  EXPECT_TRUE(bytes_of(all[1]) == bytes_of(all[0]));
  EXPECT_LT(difference(Model::from_checkpoint(all[0].checkpoint, "all"), one.model(), small_span()), 0.02);
}

// Gradients of 2e5 are infinite in fp16.
TEST_F(RanksOnGpu, WhatIsInfiniteInOneIsRepeatedWithASmallerFactorByAll) {
  cuda::set_precision(Precision::fp16);
  TrainerOptions o = options(Device::cuda);
  o.loss = Loss::l2;
  o.clip_norm = 0.5;
  const auto batches = [](uint64_t t) {
    TrainingBatch batch = whole_batch(t);
    TrainingBatch last = batch.images(kBatch - 2, kBatch);
    if (t == 1)
      for (int64_t i = 0; i < last.gt.shape().size(); ++i) last.gt.data()[i] += 1e5f;
    return batch;
  };
  const std::vector<Trained> all = trained_by(2, tiny_model(), o, batches);
  EXPECT_TRUE(bytes_of(all[1]) == bytes_of(all[0]));
}

TEST_F(RanksOnGpu, WhatIsNotFiniteInOneEndsTheStepInAll) {
  as_ranks(2, [](Ranks& ranks) {
    Trainer trainer(tiny_model(), options(Device::cuda));
    trainer.share_steps(ranks, kBatch);
    trainer.step(part_of(whole_batch(0), ranks), 0);
    const std::string before = bytes_of(trainer);
    TrainingBatch bad = part_of(whole_batch(1), ranks);
    if (ranks.rank() == 1) bad.gt.data()[7] = std::numeric_limits<float>::quiet_NaN();
    expect_error(Error::Kind::limit, "step 1 the loss is", [&] { trainer.step(bad, 0); });
    EXPECT_TRUE(bytes_of(trainer) == before);
    EXPECT_TRUE(std::isfinite(trainer.step(part_of(whole_batch(2), ranks), 0).loss));
  });
}

}  // namespace
}  // namespace sr
