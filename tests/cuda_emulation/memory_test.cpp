// What the emulation of CUDA promises of shared memory, copies into it and races, each by a small kernel.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tensor/cuda/gpu.h"
#include "tests/cuda_emulation/fixture.h"
#include "tests/support/device_array.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

// ---- Shared memory ----

__global__ void look_at_fresh_memory(int* found, float* shared) {
  GPU_SHARED(float, fixed, 8);
  gpu::Smem memory;
  float* const dynamic = memory.get<float>(8);
  const int t = static_cast<int>(threadIdx.x);
  found[blockIdx.x * blockDim.x + threadIdx.x] = std::isnan(fixed[t]) && std::isnan(dynamic[t]);
  __syncthreads();
  fixed[t] = dynamic[t] = 1.0f;
  shared[t] = fixed[7 - t];
}

TEST_F(CudaEmulation, SharedMemoryIsNaNInEveryBlock) {
  emulation::options().workers = 1;  // the second block finds what the first one leaves
  DeviceArray<int> found(16);
  DeviceArray<float> shared(8);
  EXPECT_TRUE(std::isnan(shared.to_vector()[0]));
  try {
    gpu::launch(look_at_fresh_memory, dim3(2), dim3(8), 32, nullptr, found.data(), shared.data());
  } catch (const Error&) {
    EXPECT_TRUE(emulation::finds_races());  // fixed[7 - t] is another thread's
    for (const std::string& e : emulation::take_errors()) EXPECT_NE(e.find("race"), std::string::npos) << e;
  }
  EXPECT_EQ(found.to_vector(), std::vector<int>(16, 1));
}

__global__ void take_floats(int count) {
  gpu::Smem memory;
  memory.get<float>(3);
  memory.get<float>(count)[0] = 1.0f;
}
__global__ void take_static() {
  GPU_SHARED(char, a, 40 * 1024);
  GPU_SHARED(char, b, 9 * 1024);
  a[threadIdx.x] = b[threadIdx.x] = 0;
}
__global__ void take_static_too() {
  GPU_SHARED(char, a, 1024);
  a[threadIdx.x] = 0;
}
__global__ void write_past(int offset) {
  gpu::Smem memory;
  memory.get<char>(100)[100 + offset] = 0;
}

TEST_F(CudaEmulation, SharedMemoryEndsWhereTheLaunchSays) {
  EXPECT_EQ(error_of(take_floats, 1, 96, 20), "");  // 12 bytes, rounded to 16, and 80
  EXPECT_NE(error_of(take_floats, 1, 95, 20).find("array 1 ends at byte 96, the launch asked for 95"),
            std::string::npos);
  EXPECT_NE(error_of(take_static, 32, 0).find("array 1 ends at byte 50176, static arrays may take 49152"),
            std::string::npos);
  EXPECT_EQ(error_of(take_static_too, 32, 226 * 1024), "");
  EXPECT_NE(error_of(take_static_too, 32, 227 * 1024).find("233472 bytes, static and dynamic, of 232448"),
            std::string::npos);
  EXPECT_EQ(error_of(write_past, 1, 128, -1), "");
  if (kInstrumented) {
    EXPECT_DEATH(error_of(write_past, 1, 128, 3), "use-after-poison");
  } else {
    EXPECT_NE(error_of(write_past, 1, 128, 3).find("written 3 bytes past the end of array 0"),
              std::string::npos);
  }
}

__global__ void carve_differently() {
  gpu::Smem memory;
  memory.get<float>(threadIdx.x == 9 ? 4 : 8);
}

TEST_F(CudaEmulation, ThreadsThatCarveDifferentlyAreSeen) {
  EXPECT_NE(error_of(carve_differently, 32, 64).find("threads of a block ask for different sizes of array 0"),
            std::string::npos);
}

// ---- cp.async ----

__global__ void copy_late(const float* in, float* out) {
  gpu::Smem memory;
  float* const s = memory.get<float>(12);
  s[0] = s[4] = s[8] = 7.0f;
  gpu::cp_async16(s, in, true);
  gpu::cp_commit();
  gpu::cp_async16(s + 4, nullptr, false);
  gpu::cp_async4(s + 8, in + 3, true);
  gpu::cp_commit();
  for (int i = 0; i < 3; ++i) out[i] = s[4 * i];
  gpu::cp_wait<1>();
  for (int i = 0; i < 3; ++i) out[3 + i] = s[4 * i];
  gpu::cp_wait<0>();
  for (int i = 0; i < 3; ++i) out[6 + i] = s[4 * i];
}

TEST_F(CudaEmulation, CopiesLandAtTheirWaitAndNotBefore) {
  const DeviceArray<float> in(std::vector<float>{1, 2, 3, 4});
  DeviceArray<float> out(9);
  gpu::launch(copy_late, dim3(1), dim3(1), 48, nullptr, in.data(), out.data());
  const std::vector<float> values = out.to_vector();
  for (const size_t i : {0, 1, 2, 4, 5}) EXPECT_TRUE(std::isnan(values[i])) << i;
  EXPECT_EQ(values[3], 1.0f);
  EXPECT_EQ(values[6], 1.0f);
  EXPECT_EQ(values[7], 0.0f);
  EXPECT_EQ(values[8], 4.0f);
}

__global__ void copy_from(const float* in, int to) {
  gpu::Smem memory;
  gpu::cp_async16(memory.get<float>(16) + to, in, true);
}
__global__ void copy_to_global(const float* in, float* out) {
  gpu::cp_async16(out, in, true);
}

TEST_F(CudaEmulation, CopiesFromAndToBadAddressesAreSeen) {
  const DeviceArray<float> in(std::vector<float>(16, 1.0f));
  DeviceArray<float> out(16);
  EXPECT_EQ(error_of(copy_from, 1, 64, in.data() + 4, 8), "");
  EXPECT_NE(error_of(copy_from, 1, 64, in.data() + 1, 8).find("no multiple of 16"), std::string::npos);
  EXPECT_NE(error_of(copy_from, 1, 64, in.data(), 2).find("no multiple of 16"), std::string::npos);
  EXPECT_NE(error_of(copy_to_global, 1, 64, in.data(), out.data()).find("not in shared memory"),
            std::string::npos);
}

// ---- Races ----

__global__ void neighbours(int* out, int barrier) {
  GPU_SHARED(int, s, 64);
  const int t = static_cast<int>(threadIdx.x);
  s[t] = t;
  if (barrier == 1) __syncthreads();
  if (barrier == 2) __syncwarp();
  out[t] = s[t ^ 1];    // of the same warp
  out[t] += s[t ^ 32];  // of the other one
}

TEST_F(CudaEmulation, OrderWithinAWarpIsNotOrderBetweenWarps) {
  if (!emulation::finds_races()) GTEST_SKIP() << "races are searched by cuda_emulation_memory_test_races";
  DeviceArray<int> out(64);
  EXPECT_EQ(error_of(neighbours, 64, 0, out.data(), 1), "");
  EXPECT_EQ(error_of(neighbours, 32, 0, out.data(), 2).find("memory_test.cpp"), std::string::npos);
  for (const int barrier : {0, 2}) {
    const std::string error = error_of(neighbours, 64, 0, out.data(), barrier);
    EXPECT_NE(error.find("race in shared memory"), std::string::npos) << error;
    EXPECT_NE(error.find("read in memory_test.cpp:"), std::string::npos) << error;
  }
}

__global__ void neighbouring_bytes(char* in_place, int step) {
  GPU_SHARED(char, s, 64);
  s[threadIdx.x / static_cast<unsigned>(step)] = 1;
  in_place[threadIdx.x] = static_cast<char>(in_place[threadIdx.x] + 1);
}

TEST_F(CudaEmulation, NeighbouringBytesAreNotOnePlace) {
  if (!emulation::finds_races()) GTEST_SKIP() << "races are searched by cuda_emulation_memory_test_races";
  DeviceArray<char> bytes(std::vector<char>(64, 0));
  EXPECT_EQ(error_of(neighbouring_bytes, 64, 0, bytes.data(), 1), "");
  EXPECT_NE(error_of(neighbouring_bytes, 64, 0, bytes.data(), 2).find("race in shared memory"),
            std::string::npos);
}

}  // namespace
}  // namespace sr
