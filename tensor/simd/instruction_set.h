// Which machine instructions the CPU kernels use: chosen at run time, never by the build machine.
#pragma once

#include <cstddef>
#include <vector>

namespace sr {

/// Each has all instructions of those before it. CMakeLists.txt says with which options code for one is
/// compiled.
enum class Simd { baseline, avx2, avx512 };
inline constexpr size_t kSimdSets = 3;

/// Those that this build has code for, in order.
std::vector<Simd> all_simd();

/// "baseline" (SSE2), "avx2" (with FMA) or "avx512" (F, VL, DQ, BW).
const char* name_of(Simd);

/// The best set that this processor has.
Simd best_simd();

/// The set in use: the best one, or what the environment variable SR_SIMD names when the program starts.
/// Errors: usage (SR_SIMD is none of the names, or the processor lacks it).
Simd active_simd();

/// Uses another set from now on. Errors: usage (the processor lacks it).
void set_simd(Simd);

}  // namespace sr
