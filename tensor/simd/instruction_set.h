// Which machine instructions the CPU kernels use: chosen at run time, never by the build machine.
#pragma once

namespace sr {

enum class Simd { baseline, avx2, avx512 };

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
