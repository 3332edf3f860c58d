// Planted mistakes with Hopper's instructions, and what the emulation makes of each.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/random.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/faulty_hopper.h"
#include "tests/support/device_array.h"

namespace sr {
namespace {

using namespace faulty_hopper;
using emulation::Schedule;

constexpr Schedule kSchedules[] = {Schedule::forward, Schedule::reverse, Schedule::random};

struct Outcome {
  int wrong = 0;       // outputs
  std::string errors;  // what the emulation said
};

// What the launch says, a line each.
std::string errors_of(const std::function<void()>& run) {
  std::string errors;
  try {
    run();
  } catch (const Error&) {
    for (const std::string& e : emulation::take_errors()) errors += e + "\n";
  }
  return errors;
}

int random_integer(Random& random) {
  return static_cast<int>(random.uniform() * 9) - 4;
}

template <Fault fault>
Outcome run(Schedule schedule) {
  Random random(1);
  std::vector<int> x(64 * 16 * kSteps), w(16 * kColumns * kSteps);  // [row][k], [column][k]
  std::vector<__half> rows(x.size()), columns(w.size());
  const auto arrange = [&](std::vector<int>& values, std::vector<__half>& stored, int outer) {
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const int k = i % (16 * kSteps), o = i / (16 * kSteps);
      values[static_cast<size_t>(i)] = random_integer(random);
      stored[static_cast<size_t>((k / 8 * outer + o) * 8 + k % 8)] =
          __float2half(static_cast<float>(values[static_cast<size_t>(i)]));
    }
  };
  arrange(x, rows, 64);
  arrange(w, columns, kColumns);
  std::vector<uint4> weights(columns.size() / 8);
  std::memcpy(static_cast<void*>(weights.data()), columns.data(), columns.size() * 2);
  const DeviceArray<__half> dx(rows);
  const DeviceArray<uint4> dw(weights);
  const DeviceArray<float> dy(64 * kColumns);
  Outcome outcome;
  emulation::options().schedule = schedule;
  outcome.errors = errors_of([&] {
    gpu::launch(multiply<fault>, dim3(1), dim3(kThreads), kSharedBytes, nullptr, dx.data(), dw.data(),
                dy.data());
  });
  emulation::options() = {};
  const std::vector<float> y = dy.to_vector();
  for (int i = 0; i < 64 * kColumns; ++i) {
    int sum = 0;
    for (int k = 0; k < 16 * kSteps; ++k)
      sum += x[static_cast<size_t>(i / kColumns * 16 * kSteps + k)] *
             w[static_cast<size_t>(i % kColumns * 16 * kSteps + k)];
    outcome.wrong += !(y[static_cast<size_t>(i)] == static_cast<float>(sum));  // NaN is wrong
  }
  return outcome;
}

bool says(const std::string& errors, const std::string& what) {
  return errors.find(what) != std::string::npos;
}

// Under every schedule wrong numbers or, if `what` is given, these words.
template <Fault fault>
void expect_seen(const std::string& what = {}) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<fault>(s);
    if (what.empty()) {
      EXPECT_GT(outcome.wrong, 0) << "schedule " << static_cast<int>(s);
    } else {
      EXPECT_TRUE(says(outcome.errors, what)) << "schedule " << static_cast<int>(s) << ": " << outcome.errors;
    }
  }
}

TEST(CudaHopperFaults, KernelWithoutFaultIsRightUnderEverySchedule) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::none>(s);
    EXPECT_EQ(outcome.wrong, 0);
    EXPECT_EQ(outcome.errors, "");
  }
}

TEST(CudaHopperFaults, MissingFenceForTheEnginesIsSeenWhereRacesAreSearched) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::no_async_fence>(s);
    EXPECT_EQ(says(outcome.errors, "fence_async() missing in shared memory"), emulation::finds_races())
        << outcome.errors;
  }
}

TEST(CudaHopperFaults, WrongDescriptorsAreSeen) {
  expect_seen<Fault::swapped_offsets>();
  expect_seen<Fault::wrong_swizzle>();
}

TEST(CudaHopperFaults, MissingFenceOfRegistersIsSeen) {
  expect_seen<Fault::no_product_fence>("no wgmma_fence() since its registers were written");
}

TEST(CudaHopperFaults, WaitForOneGroupOfProductsTooFewIsSeen) {
  expect_seen<Fault::early_product_wait>();
  expect_seen<Fault::early_product_wait>("was under way");
}

TEST(CudaHopperFaults, AccumulatorsWrittenBeforeTheWaitAreSeen) {
  expect_seen<Fault::touched_accumulators>("the accumulators were written before the wait");
}

TEST(CudaHopperFaults, BarrierThatExpectsTooFewBytesIsSeen) {
  expect_seen<Fault::few_bytes>("expects 1024 bytes too few");
}

TEST(CudaHopperFaults, BarrierThatExpectsTooManyBytesIsADeadlock) {
  expect_seen<Fault::many_bytes>("lacks 0 arrivals and 1024 bytes");
}

TEST(CudaHopperFaults, SlotThatIsFilledWhileWarpsReadItIsSeen) {
  int wrong = 0;
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::early_reuse>(s);
    wrong += outcome.wrong;
    EXPECT_EQ(says(outcome.errors, "race in shared memory"), emulation::finds_races()) << outcome.errors;
  }
  EXPECT_GT(wrong, 0);
}

TEST(CudaHopperFaults, SlotThatIsReadBeforeItsCopiesLandIsSeen) {
  for (const Schedule s : kSchedules) {
    const Outcome outcome = run<Fault::early_read>(s);
    EXPECT_GT(outcome.wrong, 0);
    EXPECT_EQ(says(outcome.errors, "race in shared memory"), emulation::finds_races()) << outcome.errors;
  }
}

// ---- What barriers say ----

enum class Misuse { uninitialised, overwritten, arrivals, shared_id, outside };

template <Misuse misuse>
__global__ void misuse_barriers(const int* from) {
  gpu::Smem shared;
  gpu::Barrier* const barrier = shared.get<gpu::Barrier>(1);
  int* const values = shared.get<int>(64);
  const int t = static_cast<int>(threadIdx.x);
  if (t == 0 && misuse != Misuse::uninitialised) gpu::barrier_init(barrier, 2), gpu::barrier_init_done();
  __syncthreads();
  if (misuse == Misuse::overwritten && t == 0) barrier->bits = 0;
  if (misuse == Misuse::arrivals && t == 0) gpu::barrier_expect(barrier, 16), gpu::barrier_arrive(barrier);
  if (misuse == Misuse::outside && t == 0) gpu::bulk_copy(values + 32, from, 256, barrier);
  if (misuse == Misuse::shared_id) gpu::warpgroup_barrier(t < 64 ? 1 : t < 192 ? 2 : 3);
  if (misuse != Misuse::shared_id && t == 0) gpu::barrier_arrive(barrier);
}

template <Misuse misuse>
std::string errors_of_misuse() {
  const DeviceArray<int> from(64);
  return errors_of(
      [&] { gpu::launch(misuse_barriers<misuse>, dim3(1), dim3(256), 1024, nullptr, from.data()); });
}

TEST(CudaHopperFaults, MisuseOfBarriersIsSeen) {
  EXPECT_TRUE(says(errors_of_misuse<Misuse::uninitialised>(), "the barrier is not initialised"));
  EXPECT_TRUE(says(errors_of_misuse<Misuse::overwritten>(), "something was written over the barrier"));
  EXPECT_TRUE(says(errors_of_misuse<Misuse::arrivals>(), "has had all 2 arrivals"));
  EXPECT_TRUE(says(errors_of_misuse<Misuse::outside>(), "not in an array in shared memory"));
  const std::string errors = errors_of_misuse<Misuse::shared_id>();
  EXPECT_TRUE(says(errors, "threads of two warpgroups meet")) << errors;
  EXPECT_TRUE(says(errors, "64 threads at named barrier")) << errors;
}

// ---- Kernels that start early ----

__global__ void fill(int* p, int value) {
  p[threadIdx.x] = value;
}
template <bool kWaits>
__global__ void copy_early(const int* from, int* to) {
  if (kWaits && threadIdx.x == 0) gpu::wait_for_earlier_kernels();
  __syncthreads();
  to[threadIdx.x] = from[threadIdx.x];
}

TEST(CudaHopperFaults, EarlyKernelThatDoesNotWaitIsSeenWhereRacesAreSearched) {
  const DeviceArray<int> a(128), b(128);
  const auto run_both = [&](auto kernel) {
    return errors_of([&] {
      gpu::launch(fill, dim3(1), dim3(128), 0, nullptr, a.data(), 3);
      gpu::launch_early(kernel, dim3(1), dim3(128), 0, nullptr, a.data(), b.data());
    });
  };
  EXPECT_EQ(run_both(copy_early<true>), "");
  const std::string errors = run_both(copy_early<false>);
  EXPECT_EQ(says(errors, "of an earlier kernel"), emulation::finds_races()) << errors;
}

template <bool kFirst>
__global__ void let_go() {
  if (kFirst) gpu::let_later_kernels_start();
  gpu::wait_for_earlier_kernels();
  gpu::let_later_kernels_start();
}

TEST(CudaHopperFaults, EarlyKernelMayReadWhatWasThereBeforeTheOneAheadThatHadWaited) {
  const DeviceArray<int> a(128), b(128);
  const auto run_three = [&](auto between) {
    return errors_of([&] {
      gpu::launch(fill, dim3(1), dim3(128), 0, nullptr, a.data(), 3);
      gpu::launch_early(between, dim3(1), dim3(128), 0, nullptr);
      gpu::launch_early(copy_early<false>, dim3(1), dim3(128), 0, nullptr, a.data(), b.data());
    });
  };
  EXPECT_EQ(run_three(let_go<false>), "");
  EXPECT_EQ(says(run_three(let_go<true>), "of an earlier kernel"), emulation::finds_races());
}

TEST(CudaHopperDevice, HasTheInstructionsWithCapability90Only) {
  EXPECT_TRUE(cuda::has_wgmma());
  for (const int other : {80, 89, 100}) {
    emulation::options().capabilities = {other};
    EXPECT_FALSE(cuda::has_wgmma());
  }
  emulation::options() = {};
}

}  // namespace
}  // namespace sr
