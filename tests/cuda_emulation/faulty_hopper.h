// A sum of products by a warpgroup, whose operands come through a ring of copies, and with one mistake at a
// time.
#pragma once

#include "tensor/cuda/hopper.h"

namespace sr::faulty_hopper {

enum class Fault {
  none,
  no_async_fence,        // after the weights were stored
  swapped_offsets,       // lbo and sbo of the weights
  wrong_swizzle,         // of the rows
  no_product_fence,      // before the first product
  early_product_wait,    // for one group less
  touched_accumulators,  // while a product adds to them
  few_bytes,             // of two copies the barrier expects one
  many_bytes,            // of two copies the barrier expects three
  early_reuse,           // of a slot that other warps still read
  early_read             // of a slot, without waiting for its copies
};

constexpr int kColumns = 32, kThreads = 128, kSlots = 2, kSteps = 7;
constexpr int kStepElements = 64 * 16;            // of the rows: [k / 8][row][8]
constexpr int kWeights = kSteps * 16 * kColumns;  // [step][k / 8][column][8]
constexpr int kSharedBytes = 2 * (kSlots * kStepElements + kWeights) + 2 * 8 * kSlots;

/// y[64][kColumns] = sum over kSteps of x[step] w[step], k in steps of 16.
template <Fault fault>
__global__ void __launch_bounds__(kThreads) multiply(const __half* x, const uint4* weights, float* y) {
  gpu::Smem shared;
  __half* const slots = shared.get<__half>(kSlots * kStepElements, 1024);
  uint4* const ws = shared.get<uint4>(kWeights / 8, 128);
  gpu::Barrier* const full = shared.get<gpu::Barrier>(kSlots);
  gpu::Barrier* const empty = shared.get<gpu::Barrier>(kSlots);
  const int t = static_cast<int>(threadIdx.x);
  const auto load = [&](int step) {
    constexpr uint32_t kHalf = kStepElements;  // bytes
    constexpr uint32_t kExpected = fault == Fault::few_bytes    ? kHalf
                                   : fault == Fault::many_bytes ? 3 * kHalf
                                                                : 2 * kHalf;
    __half* const slot = slots + step % kSlots * kStepElements;
    gpu::barrier_expect(full + step % kSlots, kExpected);
    gpu::bulk_copy(slot, x + step * kStepElements, kHalf, full + step % kSlots);
    gpu::bulk_copy(slot + kStepElements / 2, x + step * kStepElements + kStepElements / 2, kHalf,
                   full + step % kSlots);
  };
  for (int i = t; i < kWeights / 8; i += kThreads) ws[i] = weights[i];
  if (fault != Fault::no_async_fence) gpu::fence_async();
  if (t == 0) {
    for (int i = 0; i < kSlots; ++i) {
      gpu::barrier_init(full + i, 1);
      gpu::barrier_init(empty + i, kThreads / 32);
    }
    gpu::barrier_init_done();
  }
  __syncthreads();
  if (t == 0) {
    for (int step = 0; step < kSlots; ++step) load(step);
  }
  constexpr gpu::Swizzle kSwizzle =
      fault == Fault::wrong_swizzle ? gpu::Swizzle::bytes32 : gpu::Swizzle::none;
  constexpr uint64_t kRows = gpu::matrix_descriptor(kSwizzle, 64 * 16, 128);
  constexpr uint64_t kColumnsOf = fault == Fault::swapped_offsets
                                      ? gpu::matrix_descriptor(gpu::Swizzle::none, 128, kColumns * 16)
                                      : gpu::matrix_descriptor(gpu::Swizzle::none, kColumns * 16, 128);
  float sums[kColumns / 2] = {};
  for (int step = 0; step < kSteps; ++step) {
    const int slot = step % kSlots;
    const uint32_t parity = static_cast<uint32_t>(step / kSlots % 2);
    if (fault != Fault::early_read || step != kSteps - 1) gpu::barrier_wait(full + slot, parity);
    if (fault != Fault::no_product_fence) gpu::wgmma_fence();
    gpu::wgmma_ss<__half, kColumns>(
        sums, kRows + gpu::matrix_start(gpu::shared_address(slots + slot * kStepElements)),
        kColumnsOf + gpu::matrix_start(gpu::shared_address(ws + step * 2 * kColumns)));
    gpu::wgmma_commit();
    if (fault == Fault::touched_accumulators && step == kSteps - 1) sums[0] = 0;
    gpu::wgmma_wait<fault == Fault::early_product_wait ? 1 : 0>();
    gpu::pin(sums);
    __syncwarp();
    if (t % 32 == 0) gpu::barrier_arrive(empty + slot);
    if (t == 0 && step + kSlots < kSteps) {
      if (fault != Fault::early_reuse) gpu::barrier_wait(empty + slot, parity);
      load(step + kSlots);
    }
  }
  const int row = t / 32 * 16 + t % 32 / 4;
  for (int i = 0; i < kColumns / 2; ++i) {
    y[(row + 8 * (i / 2 % 2)) * kColumns + i / 4 * 8 + t % 4 * 2 + i % 2] = sums[i];
  }
}

}  // namespace sr::faulty_hopper
