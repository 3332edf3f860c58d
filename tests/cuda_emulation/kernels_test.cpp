// What the emulation of CUDA promises of threads, barriers, warps and launches, each by a small kernel.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "tensor/cuda/gpu.h"
#include "tests/cuda_emulation/fixture.h"
#include "tests/support/device_array.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using emulation::Schedule;

constexpr Schedule kSchedules[] = {Schedule::forward, Schedule::reverse, Schedule::random};

// ---- Threads ----

__global__ void note_order(int* order, int* next) {
  order[atomicAdd(next, 1)] = static_cast<int>(threadIdx.x);
}

std::vector<int> order_of_threads(Schedule schedule, uint64_t seed) {
  emulation::options().schedule = schedule;
  emulation::options().seed = seed;
  DeviceArray<int> order(64), next(std::vector<int>{0});
  gpu::launch(note_order, dim3(1), dim3(64), 0, nullptr, order.data(), next.data());
  return order.to_vector();
}

TEST_F(CudaEmulation, ScheduleIsTheOrderOfThreads) {
  std::vector<int> expected(64);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order_of_threads(Schedule::forward, 1), expected);
  EXPECT_EQ(order_of_threads(Schedule::reverse, 1), std::vector<int>(expected.rbegin(), expected.rend()));
  const std::vector<int> random = order_of_threads(Schedule::random, 1);
  EXPECT_EQ(order_of_threads(Schedule::random, 1), random);
  EXPECT_NE(order_of_threads(Schedule::random, 2), random);
  EXPECT_NE(random, expected);
}

__global__ void note_indices(int* out) {
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] =
      static_cast<int>(1000 * blockIdx.z + 100 * blockIdx.y + 10 * blockIdx.x + threadIdx.x);
}

TEST_F(CudaEmulation, EveryThreadOfEveryBlockRunsOnce) {
  DeviceArray<int> out(2 * 3 * 4 * 30);
  gpu::launch(note_indices, dim3(2, 3, 4), dim3(5, 3, 2), 0, nullptr, out.data());
  const std::vector<int> values = out.to_vector();
  for (int i = 0; i < static_cast<int>(values.size()); ++i) {
    const int block = i / 30;
    EXPECT_EQ(values[static_cast<size_t>(i)],
              1000 * (block / 6) + 100 * (block / 2 % 3) + 10 * (block % 2) + i % 5);
  }
}

__global__ void count_atomically(int* sums, float* real) {
  atomicAdd(&sums[0], 1);
  atomicMax(&sums[1], static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
  atomicCAS(&sums[2], 0, static_cast<int>(threadIdx.x) + 1);
  atomicAdd(real, 0.5f);
}

TEST_F(CudaEmulation, AtomicsOfManyBlocksAddUp) {
  DeviceArray<int> sums(std::vector<int>{0, 0, 0});
  DeviceArray<float> real(std::vector<float>{0});
  gpu::launch(count_atomically, dim3(50), dim3(96), 0, nullptr, sums.data(), real.data());
  const std::vector<int> values = sums.to_vector();
  EXPECT_EQ(values[0], 4800);
  EXPECT_EQ(values[1], 4799);
  EXPECT_GE(values[2], 1);
  EXPECT_EQ(real.to_vector()[0], 2400.0f);
}

// ---- Barriers and warps ----

__global__ void reduce_at_barriers(int* out) {
  const int t = static_cast<int>(threadIdx.x);
  const int any = __syncthreads_or(t == 77), none = __syncthreads_or(0);
  const int all = __syncthreads_and(t < 96), not_all = __syncthreads_and(t != 5);
  const int count = __syncthreads_count(t % 3 == 0);
  out[t] = (any != 0) + 2 * (none == 0) + 4 * (all != 0) + 8 * (not_all == 0) + 100 * count;
}

TEST_F(CudaEmulation, BarriersReduce) {
  for (const Schedule s : kSchedules) {
    emulation::options().schedule = s;
    DeviceArray<int> out(96);
    gpu::launch(reduce_at_barriers, dim3(1), dim3(96), 0, nullptr, out.data());
    EXPECT_EQ(out.to_vector(), std::vector<int>(96, 3215));
  }
}

template <int width>
__global__ void shuffle(int* out) {
  const int l = static_cast<int>(threadIdx.x), v = 100 + l;
  out[l] = __shfl_sync(~0u, v, 3, width);
  out[32 + l] = __shfl_xor_sync(~0u, v, 5, width);
  out[64 + l] = __shfl_up_sync(~0u, v, 2, width);
  out[96 + l] = __shfl_down_sync(~0u, v, 2, width);
}

// The pseudo code of the PTX ISA for shfl.sync, for lane l: `b` is the operand, `mode` idx, bfly, up or down.
int shuffled(const std::string& mode, int l, int b, int width) {
  const int segment = 32 - width, first = l & segment, last = first | (~segment & 31);
  int source = 0;
  bool valid = true;
  if (mode == "up") source = l - b, valid = source >= first;
  if (mode == "down") source = l + b, valid = source <= last;
  if (mode == "bfly") source = l ^ b, valid = source <= last;
  if (mode == "idx") source = first | (b & ~segment), valid = source <= last;
  return 100 + (valid ? source : l);
}

template <int width>
void expect_shuffles() {
  DeviceArray<int> out(128);
  gpu::launch(shuffle<width>, dim3(1), dim3(32), 0, nullptr, out.data());
  const std::vector<int> values = out.to_vector();
  for (int l = 0; l < 32; ++l) {
    EXPECT_EQ(values[static_cast<size_t>(l)], shuffled("idx", l, 3, width)) << l << " of " << width;
    EXPECT_EQ(values[static_cast<size_t>(32 + l)], shuffled("bfly", l, 5, width)) << l << " of " << width;
    EXPECT_EQ(values[static_cast<size_t>(64 + l)], shuffled("up", l, 2, width)) << l << " of " << width;
    EXPECT_EQ(values[static_cast<size_t>(96 + l)], shuffled("down", l, 2, width)) << l << " of " << width;
  }
}

TEST_F(CudaEmulation, ShufflesAreThoseOfTheInstructionSet) {
  for (const Schedule s : kSchedules) {
    emulation::options().schedule = s;
    expect_shuffles<32>();
    expect_shuffles<16>();
    expect_shuffles<8>();
  }
}

// Halves of a warp that vote by themselves, at one line.
__global__ void vote(unsigned* out) {
  const int l = static_cast<int>(threadIdx.x);
  const unsigned half = l < 16 ? 0x0000ffffu : 0xffff0000u;
  out[l] = __ballot_sync(half, l % 3 == 0);
  out[32 + l] = static_cast<unsigned>(__any_sync(half, l == 20) + 2 * __all_sync(half, l < 16));
}

TEST_F(CudaEmulation, VotesStayWithinTheirMask) {
  unsigned thirds = 0;
  for (int l = 0; l < 32; l += 3) thirds |= 1u << l;
  for (const Schedule s : kSchedules) {
    emulation::options().schedule = s;
    DeviceArray<unsigned> out(64);
    gpu::launch(vote, dim3(1), dim3(32), 0, nullptr, out.data());
    const std::vector<unsigned> values = out.to_vector();
    for (size_t l = 0; l < 32; ++l) {
      EXPECT_EQ(values[l], thirds & (l < 16 ? 0x0000ffffu : 0xffff0000u));
      EXPECT_EQ(values[32 + l], l < 16 ? 2u : 1u);
    }
  }
}

// ---- Wrong use of barriers and warps ----

__global__ void barrier_in_one_warp() {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void leave_before_the_barrier() {
  if (threadIdx.x == 5) return;
  __syncthreads();
}
__global__ void wait_at_two_barriers() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void meet_in_two_collectives() {
  if (threadIdx.x % 2 == 0) {
    __syncwarp();
  } else {
    __shfl_sync(~0u, 1, 0);
  }
}
__global__ void wait_for_absent_lanes() {
  __syncwarp();
}
__global__ void leave_oneself_out() {
  __syncwarp(0xfffffffeu);
}
__global__ void read_outside_the_mask() {
  if (threadIdx.x < 16) __shfl_sync(0x0000ffffu, 1, 20);
}

TEST_F(CudaEmulation, DivergenceAndDeadlocksAreSeen) {
  for (const Schedule s : kSchedules) {
    emulation::options().schedule = s;
    EXPECT_NE(error_of(barrier_in_one_warp, 64, 0).find("barrier divergence"), std::string::npos);
    EXPECT_NE(error_of(leave_before_the_barrier, 64, 0).find("barrier divergence"), std::string::npos);
    EXPECT_NE(error_of(wait_at_two_barriers, 64, 0).find("threads meet at the barriers of lines"),
              std::string::npos);
    EXPECT_NE(error_of(meet_in_two_collectives, 32, 0).find("warp divergence"), std::string::npos);
    EXPECT_NE(
        error_of(wait_for_absent_lanes, 20, 0).find("deadlock: warp 0, 20 lanes of 32 lanes in the warp"),
        std::string::npos);
    EXPECT_NE(error_of(leave_oneself_out, 32, 0).find("leaves out its caller"), std::string::npos);
    EXPECT_NE(error_of(read_outside_the_mask, 32, 0).find("outside its mask"), std::string::npos);
  }
}

// ---- Launches ----

__global__ void nothing(int) {}
void upscale() {
  gpu::launch(nothing, dim3(1), dim3(1025), 0, nullptr, 0);
}

TEST_F(CudaEmulation, RefusedLaunchIsAnErrorThatNamesTheCaller) {
  expect_error(Error::Kind::device, "upscale: CUDA says 'invalid configuration argument'", upscale);
  expect_error(Error::Kind::device, "invalid configuration",
               [] { gpu::launch(nothing, dim3(0), dim3(32), 0, nullptr, 0); });
  expect_error(Error::Kind::device, "invalid argument",
               [] { gpu::launch(nothing, dim3(1), dim3(32), 227 * 1024 + 1, nullptr, 0); });
}

}  // namespace
}  // namespace sr
