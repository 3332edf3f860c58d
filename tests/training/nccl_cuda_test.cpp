// Training steps on GPUs that several processes share, whose gradients go from GPU to GPU; the processes are
// threads, each with a GPU of its own. Real ones do where there are as many.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/expect_error.h"
#include "tests/training/ranks_as_threads.h"
#ifdef SR_CUDA_EMULATED
#include "tests/cuda_emulation/emulation.h"
#endif

namespace sr {
namespace {

using cuda::Precision;

// With which steps are cheap.
Model cheap_model() {
  return Model({.span = SpanOptions{.channels = 16, .blocks = 1}}, 5);
}

class NcclOnGpus : public testing::Test {
 protected:
#ifdef SR_CUDA_EMULATED
  NcclOnGpus() {
    emulation::options().devices = 4;
  }
#endif
  ~NcclOnGpus() override {
    cuda::set_precision(Precision::fp32);
    unsetenv("SR_EMULATED_NCCL_FAIL");
#ifdef SR_CUDA_EMULATED
    emulation::options().devices = 1;
#endif
  }

  void SetUp() override {
    if (nccl::description().starts_with("none")) GTEST_SKIP() << "NCCL: " << nccl::description();
  }
  static bool there_are(int gpus) {
    return std::ssize(cuda::usable_devices()) >= gpus;
  }

  // All ranks come to the bits of the way through the host's memory.
  static void expect_bits(int size, const Batches& batches) {
    const TrainerOptions o = options(Device::cuda);
    const Trained through = trained_by(size, cheap_model(), o, batches)[0];
    EXPECT_NE(through.way.find("through the hosts' memory: ranks 0 and 1 share a GPU"), std::string::npos)
        << through.way;
    for (const Trained& by_nccl : trained_by(size, cheap_model(), o, batches, true)) {
      EXPECT_EQ(by_nccl.way, "gradients go from GPU to GPU by NCCL " + nccl::description());
      EXPECT_TRUE(bytes_of(by_nccl) == bytes_of(through)) << size;
      EXPECT_EQ(by_nccl.last.loss, through.last.loss) << size;
      EXPECT_EQ(by_nccl.last.gradient_norm, through.last.gradient_norm) << size;
    }
  }
};

TEST_F(NcclOnGpus, BitsAreThoseOfTheWayThroughTheHostsMemory) {
  for (const int size : {3, 4})  // and of two below
    if (there_are(size)) expect_bits(size, [&](uint64_t t) { return batch_of(t, 2 * size, 4); });
}

// Gradients of 2e5 are infinite in fp16, so that a step is repeated behind which another was begun.
TEST_F(NcclOnGpus, WhatIsInfiniteInOneIsRepeatedByAllToTheSameBits) {
  if (!there_are(2)) GTEST_SKIP() << "there is one GPU";
  cuda::set_precision(Precision::fp16);
  expect_bits(2, [](uint64_t t) {
    TrainingBatch batch = batch_of(t, 4, 4);
    TrainingBatch last = batch.images(2, 4);
    if (t == 1)
      for (int64_t i = 0; i < last.gt.shape().size(); ++i) last.gt.data()[i] += 3e4f;
    return batch;
  });
}

// What each of two says of the end when one fails in its third step: by `fails`, or by itself.
std::vector<std::string> said_when_one_fails(const std::function<void(Ranks&)>& fails) {
  std::vector<std::string> said(2);
  as_ranks(2, [&](Ranks& ranks) {
    cuda::use_device(ranks.rank());
    std::string& mine = said[static_cast<size_t>(ranks.rank())];
    try {
      Trainer trainer(cheap_model(), options(Device::cuda));
      trainer.share_steps(ranks, 4);
      for (uint64_t t = 0; t < 8; ++t) {
        if (t == 2) fails(ranks);
        trainer.begin(part_of(batch_of(t, 4, 4), ranks), 0);
        if (trainer.under_way() > trainer.ahead()) trainer.finish();
      }
      ADD_FAILURE() << "rank " << ranks.rank() << " came to the end";
    } catch (const Error& e) {
      mine = e.what();
      EXPECT_THROW(ranks.fail(mine), Ended);
    }
  });
  return said;
}

TEST_F(NcclOnGpus, AnErrorInOneEndsAllWithALine) {
  if (!there_are(2)) GTEST_SKIP() << "there is one GPU";
  const std::vector<std::string> said = said_when_one_fails([](Ranks& ranks) {
    if (ranks.rank() == 1) throw Error(Error::Kind::io, "the disk is full");
  });
  EXPECT_EQ(said[1], "the disk is full");
  EXPECT_NE(said[0].find("rank 1 failed: the disk is full"), std::string::npos) << said[0];
}

#ifdef SR_CUDA_EMULATED
TEST_F(NcclOnGpus, AnErrorOfNcclEndsAllWithALine) {
  setenv("SR_EMULATED_NCCL_FAIL", "0:5", 1);
  const std::vector<std::string> said = said_when_one_fails([](Ranks&) {});
  EXPECT_NE(said[0].find("NCCL, rank 0: unhandled system error: as the test wants it; SR_NCCL=off"),
            std::string::npos)
      << said[0];
  EXPECT_NE(said[1].find("rank 0 failed: " + said[0]), std::string::npos) << said[1];
}
#endif

}  // namespace
}  // namespace sr
