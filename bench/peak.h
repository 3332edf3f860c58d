// The most arithmetic that this machine can do: what results are compared with.
#pragma once

#include <vector>

namespace sr::bench {

/// What multiplies: each counted by its products and sums, as two operations.
enum class Unit {
  fma,           ///< float32, with the best instruction set of the processor
  dot,           ///< pairs of bfloat16, AVX-512's vdpbf16ps, from registers
  dot_loading,   ///< the same, a factor of each loaded from the first-level cache
  tiles,         ///< tiles of bfloat16, AMX's tdpbf16ps, from registers
  tiles_loading  ///< the same, each loaded tile being used twice
};

const char* name_of(Unit);

/// Those that this processor has.
std::vector<Unit> units();

/// Operations a second of `threads` threads together, each with as many independent products as it can issue,
/// by their CPU time. The processor has the unit. Takes about 60 ms.
double peak(Unit unit, int threads);

}  // namespace sr::bench
