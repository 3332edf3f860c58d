// The families of kernels that this processor can run, for tests that hold for each of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/bands/kernels.h"
#include "tensor/simd/instruction_set.h"
#include "tests/support/instrumented.h"

namespace sr {

struct Family {
  std::string name;
  const bands::Kernels* kernels;
  bool exact;  // float32

  /// Direct sums of kernels of any size; the others transform 3 x 3.
  bool direct() const { return kernels->align == 1; }
};

/// float32 for each instruction set, bfloat16 for each way to multiply it, software among them.
inline std::vector<Family> families() {
  std::vector<Family> list;
  const Simd before = active_simd();
  for (const Simd simd : all_simd()) {
    if (simd > best_simd()) continue;
    if (kInstrumented && simd != best_simd() && simd != static_cast<Simd>(kFloatSets - 1)) continue;  // slow
    set_simd(simd);
    if (static_cast<size_t>(simd) < kFloatSets)
      list.push_back({std::string("fp32 ") + name_of(simd), &bands::kernels(bands::Precision::fp32), true});
    if (bands::has_bf16())
      list.push_back({std::string("bf16 ") + name_of(simd), &bands::kernels(bands::Precision::bf16), false});
  }
  set_simd(before);
  if (best_simd() >= Simd::avx2)
    for (const bands::Kernels& kernels : bands::software_bf16_kernels())
      list.push_back({std::string("bf16 ") + kernels.name, &kernels, false});
  return list;
}

}  // namespace sr
