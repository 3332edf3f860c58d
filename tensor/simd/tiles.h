// Tiles as AMX has them: eight registers of 16 rows of 64 bytes, and the product of two whose elements are
// pairs of bfloat16. Compiled for AMX these are its instructions; else the same arithmetic in plain code, to
// the bit, so that kernels can be proven on any processor (slowly). Included by *_bf16.cpp files only.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kTileRows = 16;      // of any tile
constexpr int kTileRowBytes = 64;  // 16 floats, or 16 pairs of bfloat16
constexpr int kTileDepth = 32;     // products in a sum of tile_dot()

#if defined(__AMX_TILE__) && defined(__AMX_BF16__)

constexpr const char* kTilesCompiledFor = "amx";

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

/// Before the first tile of a thread's kernel, and after the last: the registers exist only in between.
inline void tiles_begin() {
  static constexpr TileConfig kConfig;
  asm volatile("ldtilecfg %0" : : "m"(kConfig));
}
inline void tiles_end() {
  asm volatile("tilerelease" : : : "memory");
}

template <int T>
[[gnu::always_inline]] inline void tile_zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(T));
}

/// Rows of 64 bytes, `stride` bytes apart.
template <int T>
[[gnu::always_inline]] inline void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(T) : "memory");
}

template <int T>
[[gnu::always_inline]] inline void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(T) : "memory");
}

/// C[m][n] += sum over k of A[m][2k] B[k][2n] and A[m][2k+1] B[k][2n+1].
template <int C, int A, int B>
[[gnu::always_inline]] inline void tile_dot() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

#else

constexpr const char* kTilesCompiledFor = "software";

struct SoftwareTile {
  alignas(64) unsigned char rows[kTileRows][kTileRowBytes];
};
inline thread_local SoftwareTile software_tiles[8];

inline void tiles_begin() {}
inline void tiles_end() {}

template <int T>
void tile_zero() {
  std::memset(&software_tiles[T], 0, sizeof(SoftwareTile));
}

template <int T>
void tile_load(const void* from, int64_t stride) {
  for (int i = 0; i < kTileRows; ++i)
    std::memcpy(software_tiles[T].rows[i], static_cast<const char*>(from) + i * stride, kTileRowBytes);
}

template <int T>
void tile_store(void* to, int64_t stride) {
  for (int i = 0; i < kTileRows; ++i)
    std::memcpy(static_cast<char*>(to) + i * stride, software_tiles[T].rows[i], kTileRowBytes);
}

// As the instruction does without being asked: denormal numbers are zeros.
inline float without_denormals(float v) {
  return std::fabs(v) < 0x1p-126f ? 0.0f * v : v;
}

inline float from_bits(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// The instruction's own order of rounding: the even products and the odd ones are summed by fused
// multiply-adds, each from zero; both sums are added, and that to C.
template <int C, int A, int B>
void tile_dot() {
  for (int m = 0; m < kTileRows; ++m) {
    alignas(64) float even[16] = {}, odd[16] = {}, c[16];
    for (int k = 0; k < 16; ++k) {
      uint32_t a;
      std::memcpy(&a, software_tiles[A].rows[m] + 4 * k, 4);
      const float a0 = without_denormals(from_bits(a << 16)),
                  a1 = without_denormals(from_bits(a & 0xffff0000u));
      for (int n = 0; n < 16; ++n) {
        uint32_t b;
        std::memcpy(&b, software_tiles[B].rows[k] + 4 * n, 4);
        even[n] = without_denormals(std::fma(a0, without_denormals(from_bits(b << 16)), even[n]));
        odd[n] = without_denormals(std::fma(a1, without_denormals(from_bits(b & 0xffff0000u)), odd[n]));
      }
    }
    std::memcpy(c, software_tiles[C].rows[m], sizeof c);
    for (int n = 0; n < 16; ++n)
      c[n] = without_denormals(without_denormals(c[n]) + without_denormals(even[n] + odd[n]));
    std::memcpy(software_tiles[C].rows[m], c, sizeof c);
  }
}

#endif

}  // namespace
