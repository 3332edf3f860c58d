// Multiply-adds in registers only; compiled once per instruction set, like the kernels
// (tensor/simd/instruction_set.h).
#include <cstdint>

#include "tensor/simd/lanes.h"

namespace sr::bench::SR_SIMD {

double fma_rounds(int64_t rounds, const float* start, float* result) {
  // As many chains as the kernels keep accumulators: more than latency times issues a cycle, fewer than
  // registers. They start from different values, so that the compiler cannot join them.
  Lanes16 x[kAccumulators];
  const Lanes16 factor = Lanes16::load(start), term = Lanes16::load(start + 16);
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) x[i] = Lanes16::load(start + i);
  for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) x[i].add_product(factor, term);
  for (int i = 1; i < kAccumulators; ++i) x[0] = x[0] + x[i];  // every chain counts
  x[0].store(result);
  return 2.0 * 16 * kAccumulators * static_cast<double>(rounds);
}

}  // namespace sr::bench::SR_SIMD
