// Every instruction set of this processor in turn.
#pragma once

#include <gtest/gtest.h>

#include "tensor/simd/instruction_set.h"

namespace sr {

/// Calls f once with each set in use; the one in use before is in use afterwards.
template <class F>
void for_each_simd(const F& f) {
  const Simd before = active_simd();
  for (const Simd simd : float_simd()) {
    if (simd > best_simd()) continue;
    const testing::ScopedTrace trace(__FILE__, __LINE__, name_of(simd));
    set_simd(simd);
    f();
  }
  set_simd(before);
}

}  // namespace sr
