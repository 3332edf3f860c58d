// Products of tiles of bfloat16 by AMX: four sums, each of one of two tiles with one of two, as kernels have
// it.
#include <cstddef>
#include <cstdint>

#include "tensor/simd/tiles.h"

namespace sr::bench::SR_SIMD {
namespace {

constexpr int64_t kTile = int64_t{kTileRows} * kTileRowBytes;
constexpr int64_t kSteps = 4;  // whose four tiles are loaded: 16 KB

struct alignas(64) Operands {
  unsigned char bytes[kSteps * 4 * kTile];

  // The upper halves of floats: bfloat16 of usual size.
  explicit Operands(const float* start) {
    for (size_t i = 0; i < sizeof bytes / 2; ++i)
      std::memcpy(bytes + 2 * i, reinterpret_cast<const char*>(start + i % 64) + 2, 2);
  }
};

template <int A, int B, int C, int D>
void load(const unsigned char* from) {
  tile_load<A>(from, kTileRowBytes);
  tile_load<B>(from + kTile, kTileRowBytes);
  tile_load<C>(from + 2 * kTile, kTileRowBytes);
  tile_load<D>(from + 3 * kTile, kTileRowBytes);
}

template <bool loading>
double rounds_of(int64_t rounds, const float* start, float* result) {
  const Operands operands(start);
  tiles_begin();
  load<0, 1, 2, 3>(operands.bytes);
  load<4, 5, 6, 7>(operands.bytes);
  for (int64_t r = 0; r < rounds; ++r) {
    if constexpr (loading) load<4, 5, 6, 7>(operands.bytes + r % kSteps * 4 * kTile);
    tile_dot<0, 4, 6>();
    tile_dot<1, 4, 7>();
    tile_dot<2, 5, 6>();
    tile_dot<3, 5, 7>();
  }
  unsigned char sums[kTile];
  tile_store<0>(sums, kTileRowBytes);
  tiles_end();
  std::memcpy(result, sums, kTileRowBytes);
  return 4 * 2.0 * kTileRows * 16 * kTileDepth * static_cast<double>(rounds);
}

}  // namespace

double tile_rounds(int64_t rounds, const float* start, float* result) {
  return rounds_of<false>(rounds, start, result);
}

double tile_rounds_loading(int64_t rounds, const float* start, float* result) {
  return rounds_of<true>(rounds, start, result);
}

}  // namespace sr::bench::SR_SIMD
