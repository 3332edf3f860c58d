// Which machine instructions the CPU kernels use: chosen at run time, never by the build machine.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sr {

/// Each has all instructions of those before it. CMakeLists.txt says with which options code for one is
/// compiled.
enum class Simd { baseline, avx2, avx512, avx512_bf16, amx };
inline constexpr size_t kSimdSets = 5;
/// Those with kernels of their own in float32: the first ones.
inline constexpr size_t kFloatSets = 3;

/// Those that this build has code for, in order.
std::vector<Simd> all_simd();
/// Of them, those with kernels of their own in float32.
std::vector<Simd> float_simd();

/// "baseline" (SSE2), "avx2" (with FMA), "avx512" (F, VL, DQ, BW), "avx512_bf16" (products of bfloat16 as
/// well) or "amx" (also of tiles of it).
const char* name_of(Simd);

/// The best set that this processor has.
Simd best_simd();

/// The set in use: the best one, or what the environment variable SR_SIMD names when the program starts.
/// Errors: usage (SR_SIMD is none of the names, or the processor lacks it).
Simd active_simd();

/// The set whose kernels in float32 are in use.
Simd active_float_simd();

/// Why AMX is not used on a processor that has it, in words; empty where it is used or missing.
std::string why_no_amx();

/// Uses another set from now on. Errors: usage (the processor lacks it).
void set_simd(Simd);

}  // namespace sr
