// What the emulation says of matrices' rows in shared memory.
#include <gtest/gtest.h>

#include "tensor/cuda/tensor_core.h"
#include "tensor/error.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/support/device_array.h"

namespace sr {
namespace {

constexpr int kPitch = 72;  // 144 bytes: neighbouring rows in other banks

__global__ void load(uint32_t* out, int pitch, int shift) {
  gpu::Smem memory;
  uint16_t* const s = memory.get<uint16_t>(32 * kPitch);
  const int l = static_cast<int>(threadIdx.x);
  for (int c = 0; c < 8; ++c) s[l * pitch + shift + c] = static_cast<uint16_t>(100 * l + c);
  __syncwarp();
  uint32_t r[4];
  gpu::ldmatrix_x4(r, s + l * pitch + shift);
  for (int j = 0; j < 4; ++j) out[l * 4 + j] = r[j];
}

TEST(CudaTensorCoreRows, ThoseOfOneBankAreCountedAsConflicts) {
  const DeviceArray<uint32_t> out(128);
  emulation::take_statistics();
  gpu::launch(load, dim3(1), dim3(32), 32 * kPitch * 2, nullptr, out.data(), kPitch, 0);
  const emulation::Statistics apart = emulation::take_statistics();
  EXPECT_EQ(apart.ldmatrix, 1u);
  EXPECT_EQ(apart.ldmatrix_conflicts, 0u);
  gpu::launch(load, dim3(1), dim3(32), 32 * kPitch * 2, nullptr, out.data(), 64, 0);  // 128 bytes: one bank
  EXPECT_EQ(emulation::take_statistics().ldmatrix_conflicts, 4u * 7);
}

TEST(CudaTensorCoreRows, ThoseThatAreNotAlignedAreSeen) {
  const DeviceArray<uint32_t> out(128);
  EXPECT_THROW(gpu::launch(load, dim3(1), dim3(32), 32 * kPitch * 2, nullptr, out.data(), kPitch, 4), Error);
  EXPECT_NE(emulation::take_errors().at(0).find("no multiple of 16"), std::string::npos);
}

}  // namespace
}  // namespace sr
