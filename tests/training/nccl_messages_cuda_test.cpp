// Messages from GPU to GPU, and mistakes in them that an emulated NCCL sees. Real GPUs have the first test.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "distributed/nccl_ranks.h"
#include "tests/support/expect_error.h"
#include "tests/training/ranks_as_threads.h"
#ifdef SR_CUDA_EMULATED
#include "tests/cuda_emulation/emulation.h"
#endif

namespace sr {
namespace {

using Transfer = NcclRanks::Transfer;
using Kind = Transfer::Kind;

// So many numbers from 1 on, or others, in the device's memory.
struct Numbers {
  explicit Numbers(int64_t count) : tensor({1, 1, 1, count}, DType::f32, Device::cuda) { set(1); }
  void set(float first) {
    std::vector<float> values(static_cast<size_t>(tensor.shape().size()));
    for (float& value : values) value = first++;
    cuda::copy_to_device(tensor.address(), values.data(), 4 * std::ssize(values));
  }
  std::vector<float> values() const { return tensor.to(Device::cpu).to_vector(); }
  Transfer transfer(Kind kind, int rank) {
    return {kind, rank, static_cast<float*>(tensor.address()), tensor.shape().size()};
  }
  Tensor tensor;
};

void start(NcclRanks& nccl, const std::vector<Transfer>& transfers) {
  nccl.start(transfers, cuda::queue().stream);
}

TEST(NcclMessages, OneProcessSendsToItself) {
  if (nccl::description().starts_with("none")) GTEST_SKIP() << "NCCL: " << nccl::description();
  Ranks alone;
  NcclRanks nccl(alone);
  Numbers from(1000), to(1000);
  to.set(5);
  start(nccl, {from.transfer(Kind::send, 0), to.transfer(Kind::receive, 0)});
  EXPECT_EQ(to.values(), from.values());
}

#ifdef SR_CUDA_EMULATED

class EmulatedNccl : public testing::Test {
 protected:
  EmulatedNccl() { emulation::options().devices = 2; }
  ~EmulatedNccl() override {
    emulation::options().devices = 1;
    emulation::options().late = false;
    unsetenv("SR_EMULATED_NCCL_PATIENCE");
  }

  // f of each of two; what was wrong, if anything.
  static std::vector<std::string> said_by_two(const std::function<void(NcclRanks&, int rank)>& f,
                                              bool one_gpu = false) {
    std::vector<std::string> said(2);
    as_ranks(2, [&](Ranks& ranks) {
      cuda::use_device(one_gpu ? 0 : ranks.rank());
      try {
        NcclRanks nccl(ranks);
        f(nccl, ranks.rank());
        cuda::Event here;
        here.record();
        nccl.wait_until([&] { return here.passed(); });
      } catch (const Error& e) {
        said[static_cast<size_t>(ranks.rank())] = e.what();
        EXPECT_THROW(ranks.fail(e.what()), Ended);
      }
    });
    return said;
  }
};

using Said = std::vector<std::string>;

// As late as the device may: what is sent is what is there then.
TEST_F(EmulatedNccl, CarriesWhatIsThereWhenTheStreamComesToIt) {
  for (const bool late : {false, true}) {
    emulation::options().late = late;
    std::vector<float> arrived;
    EXPECT_EQ(said_by_two([&](NcclRanks& nccl, int rank) {
                Numbers first(70000), second(3);
                if (rank == 0) {
                  start(nccl, {first.transfer(Kind::send, 1)});
                  second.set(7);
                  start(nccl, {second.transfer(Kind::send, 1)});
                } else {
                  start(nccl, {first.transfer(Kind::receive, 0)});
                  start(nccl, {second.transfer(Kind::receive, 0)});
                  arrived = second.values();
                  EXPECT_EQ(first.values().back(), 70000);
                }
                cuda::synchronize();
              }),
              Said(2));
    EXPECT_EQ(arrived, (std::vector<float>{7, 8, 9}));
  }
}

TEST_F(EmulatedNccl, RefusesTwoOnOneGpu) {
  const Said said = said_by_two([](NcclRanks&, int) {}, true);
  EXPECT_NE((said[0] + said[1]).find("invalid usage: duplicate GPU"), std::string::npos) << said[0];
}

TEST_F(EmulatedNccl, SeesCountsThatDiffer) {
  const Said said = said_by_two([](NcclRanks& nccl, int rank) {
    Numbers numbers(rank == 0 ? 4 : 5);
    start(nccl, {numbers.transfer(rank == 0 ? Kind::send : Kind::receive, 1 - rank)});
    cuda::Event here;
    here.record();
    nccl.wait_until([&] { return rank == 1 && here.passed(); });
  });
  EXPECT_NE(said[1].find("counts differ"), std::string::npos) << said[1];
  EXPECT_NE(said[0].find("rank 1 failed"), std::string::npos) << said[0];
}

TEST_F(EmulatedNccl, SeesThatNobodySends) {
  setenv("SR_EMULATED_NCCL_PATIENCE", "0.2", 1);
  const Said said = said_by_two([](NcclRanks& nccl, int rank) {
    Numbers numbers(4);
    if (rank == 1) start(nccl, {numbers.transfer(Kind::receive, 0)});
    cuda::Event here;
    here.record();
    nccl.wait_until([&] { return rank == 1 && here.passed(); });
  });
  EXPECT_NE(said[1].find("nobody sends"), std::string::npos) << said[1];
}

TEST_F(EmulatedNccl, SeesMemoryThatIsNotTheDevices) {
  const Said said = said_by_two([](NcclRanks& nccl, int rank) {
    std::vector<float> host(4);
    if (rank == 1) start(nccl, {{Kind::send, 0, host.data(), 4}});
    nccl.wait_until([] { return false; });
  });
  EXPECT_NE(said[1].find("not the device's memory"), std::string::npos) << said[1];
}

// The end of a process, in one that was made for it.
TEST(EmulatedNcclDeathTest, SeesAMessageThatNobodyReceives) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const TestFolder folder;  // it leaves its files
  setenv("SR_EMULATED_NCCL_FOLDER", folder.path().c_str(), 1);
  EXPECT_DEATH(
      {
        Ranks alone;
        NcclRanks nccl(alone);
        Numbers numbers(4);
        start(nccl, {numbers.transfer(Kind::send, 0)});
        cuda::synchronize();
      },
      "leaves before all its messages are received");
  unsetenv("SR_EMULATED_NCCL_FOLDER");
}

#endif

}  // namespace
}  // namespace sr
