// Tiles as AMX has them: eight registers of 16 rows of 64 bytes, and the product of two whose elements are
// pairs of bfloat16. Compiled for AMX these are its instructions; else they are its arithmetic in plain code,
// to the bit, so that kernels can be proven on any processor (slowly). Included by *_tiles.cpp files only.
#pragma once

#include <immintrin.h>

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

constexpr const char* kTilesCompiledFor = "software";

inline float from_bits(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

// The instruction's own order of rounding: the even products and the odd ones are summed by fused
// multiply-adds, each from zero; both sums are added, and that to C.
[[gnu::noinline]] inline void multiply_tiles(const SoftwareTile& a, const SoftwareTile& b, SoftwareTile& c) {
  alignas(64) float weights[2][16][16];
  for (int k = 0; k < 16; ++k)
    for (int n = 0; n < 16; ++n) {
      uint32_t pair;
      std::memcpy(&pair, b.rows[k] + 4 * n, 4);
      weights[0][k][n] = from_bits(pair << 16), weights[1][k][n] = from_bits(pair & 0xffff0000u);
    }
  for (int m = 0; m < kTileRows; ++m) {
    alignas(64) float even[16] = {}, odd[16] = {}, sum[16];
    for (int k = 0; k < 16; ++k) {
      uint32_t pair;
      std::memcpy(&pair, a.rows[m] + 4 * k, 4);
      const float first = from_bits(pair << 16), second = from_bits(pair & 0xffff0000u);
      for (int n = 0; n < 16; ++n) even[n] = __builtin_fmaf(first, weights[0][k][n], even[n]);
      for (int n = 0; n < 16; ++n) odd[n] = __builtin_fmaf(second, weights[1][k][n], odd[n]);
    }
    std::memcpy(sum, c.rows[m], sizeof sum);
    for (int n = 0; n < 16; ++n) sum[n] += even[n] + odd[n];
    std::memcpy(c.rows[m], sum, sizeof sum);
  }
}

// Denormal numbers are zeros to the instruction, whatever the thread has set for others.
template <int C, int A, int B>
void tile_dot() {
  constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x40;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | kFlushResults | kFlushOperands);
  multiply_tiles(software_tiles[A], software_tiles[B], software_tiles[C]);
  _mm_setcsr(before);
}

#endif

}  // namespace
