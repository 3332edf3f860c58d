// The end of a tile's values in patches_kernel.h: bias, activation, what is added and the mask, from
// registers, 16 bytes a lane.
#pragma once

#include "tensor/conv2d/cuda/sm90/patches_tile.h"
#include "tensor/cuda/hopper.h"

namespace sr::cuda {
namespace {

template <class V>
GPU_FN void start_with_bias(typename V::Sums& sums, const float* bias) {
  const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int j = 0; j < V::kN / 8; ++j) {
    const float2 b = bias
                         ? *reinterpret_cast<const float2*>(bias + channel_of<typename V::T>(V::kN, 8 * j) +
                                                            t * (channel_of<typename V::T>(V::kN, 8 * j + 2) -
                                                                 channel_of<typename V::T>(V::kN, 8 * j)))
                         : make_float2(0.0f, 0.0f);
#pragma unroll
    for (int row = 0; row < V::kRows; ++row) {
      sums[row][4 * j] = b.x, sums[row][4 * j + 1] = b.y;
      sums[row][4 * j + 2] = b.x, sums[row][4 * j + 3] = b.y;
    }
  }
}

/// f(Int<W>(), first, c) for each run of W words of a lane's values of a pixel: words first to first + W - 1
/// are the channels from c on.
template <class V, class F>
GPU_FN void for_words(F f) {
  constexpr int kRun =
      sizeof(typename V::T) == 2 ? 32 : 16;  // channels that four lanes have in 16 bytes each
  const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int i = 0; i < V::kN / kRun; ++i) f(gpu::Int<4>(), 4 * i, kRun * i + kRun / 4 * t);
  if constexpr (V::kN % kRun != 0) f(gpu::Int<2>(), V::kWords - 2, V::kN / kRun * kRun + 4 * t);
}

/// A channel view from a tile's first pixel on: offsets within a tile fit 32 bits.
template <class T>
struct TileView {
  const T* first;
  int pitch;

  GPU_FN TileView(const ChannelView& view, long long pixel)
      : first(static_cast<const T*>(view.data) + pixel * view.pitch), pitch(static_cast<int>(view.pitch)) {}
  GPU_FN const T* at(int pixel, int c) const { return first + (pixel * pitch + c); }
};

/// What the ends of a tile's values are made with. Pixels are counted from the tile's first: 32 bits are
/// enough then, and what is the same for all lanes takes few registers.
template <class T>
struct TileEnd {
  TileView<T> y, own, added[2], mask;
  int first_c;
  bool has_own, adds, masks;

  GPU_FN TileEnd(const PatchArgs<T>& a, const PatchTile& tile)
      : TileEnd(a, (static_cast<long long>(tile.image) * a.h + tile.y) * a.w + tile.x) {}
  GPU_FN TileEnd(const PatchArgs<T>& a, long long pixel)
      : y({a.y, a.y_pitch, 0}, pixel),
        own({a.epilogue.own.data, a.epilogue.own.pitch, 0}, pixel),
        added{{a.epilogue.added[0], pixel}, {a.epilogue.added[1], pixel}},
        mask(a.epilogue.mask, pixel),
        first_c(static_cast<int>(a.epilogue.added[0].c)),
        has_own(a.epilogue.own.data),
        adds(a.epilogue.added[0].data),
        masks(a.epilogue.mask.data) {}
};

/// What the end of a lane's values of a pixel takes besides the sums: loaded before they are needed.
template <class V>
struct PixelEnd {
  using T = typename V::T;
  int pixel;
  bool inside;
  uint32_t added[V::kWords], mask[V::kWords];

  GPU_FN void load(const TileEnd<T>& end, int at, bool is_inside) {
    pixel = at, inside = is_inside;
    if (inside && end.adds) {
      for_words<V>([&](auto w, int first, int c) {
        load_words<decltype(w)::value>(added + first, c < end.first_c
                                                          ? end.added[0].at(pixel, c)
                                                          : end.added[1].at(pixel, c - end.first_c));
      });
    }
    if (inside && end.masks) {
      for_words<V>([&](auto w, int first, int c) {
        load_words<decltype(w)::value>(mask + first, end.mask.at(pixel, c));
      });
    }
  }

  /// A word after the activation, from one float32 sum or two 16-bit values' sums.
  GPU_FN static uint32_t activated(float v0, float v1, float leak) {
    return pack(leaky(v0, leak), leaky(v1, leak));
  }
  /// What becomes of it, as word `word` of the result.
  GPU_FN uint32_t finish(int word, uint32_t bits, const ConvEpilogue& e, bool adds, bool masks) const {
    if (!adds && !masks) return bits;
    float v[2], more[2];
    unpack(v, bits);
    if (adds) {
      unpack(more, added[word]);
      v[0] += more[0], v[1] += more[1];
    }
    if (masks) {
      unpack(more, mask[word]);
      v[0] *= more[0] > 0.0f ? 1.0f : e.mask_leak, v[1] *= more[1] > 0.0f ? 1.0f : e.mask_leak;
    }
    return pack(v[0], v[1]);
  }

 private:
  GPU_FN static uint32_t pack(float v0, float v1) {
    if constexpr (sizeof(T) == 2) {
      return gpu::pack2<T>(v0, v1);
    } else {
      uint32_t bits;
      memcpy(&bits, &v0, sizeof(bits));
      return bits;
    }
  }
  GPU_FN static void unpack(float (&v)[2], uint32_t bits) {
    if constexpr (sizeof(T) == 2) {
      const float2 two = gpu::unpack2<T>(bits);
      v[0] = two.x, v[1] = two.y;
    } else {
      memcpy(v, &bits, sizeof(bits));
      v[1] = 0.0f;
    }
  }
};

/// Stores a lane's values of pixel r (0 or 1) of a row.
template <class V>
GPU_FN void store_pixel(const float (&sums)[V::kN / 2], int r, const PixelEnd<V>& end,
                        const TileEnd<typename V::T>& tile, const ConvEpilogue& e) {
  using T = typename V::T;
  if (!end.inside) return;
  for_words<V>([&](auto w, int first, int c) {
    constexpr int kW = decltype(w)::value;
    uint32_t v[kW];
#pragma unroll
    for (int i = 0; i < kW; ++i) {
      const int word = first + i;
      const int at = sizeof(T) == 2 ? 4 * word + 2 * r : word / 2 * 4 + 2 * r + word % 2;
      v[i] = end.activated(sums[at], sizeof(T) == 2 ? sums[at + 1] : 0.0f, e.leak);
    }
    if (tile.has_own) store_words<kW>(const_cast<T*>(tile.own.at(end.pixel, c)), v);
#pragma unroll
    for (int i = 0; i < kW; ++i) v[i] = end.finish(first + i, v[i], e, tile.adds, tile.masks);
    store_words<kW>(const_cast<T*>(tile.y.at(end.pixel, c)), v);
  });
}

/// A lane's place in the block: its warp's first row and its first pixel's column.
struct LanePlace {
  int row, column;

  GPU_FN explicit LanePlace(int rows) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % 32;
    const int warp = __shfl_sync(0xffffffffu, thread / 32, 0);  // the compiler then knows that lanes share it
    row = warp / 2 * rows, column = warp % 2 * 16 + lane / 4;
  }
};

/// Waits for the last products and stores the tile. What is added to a pixel is under way while the one
/// before is stored, where there are registers for it.
template <class V>
GPU_FN void finish_tile(typename V::Sums& sums, const PatchTile& tile, const PatchArgs<typename V::T>& a) {
  constexpr int kAhead = sizeof(typename V::T) == 2 || V::kRows == 2 ? 1 : 0;
  const LanePlace lane(V::kRows);
  const TileEnd<typename V::T> end(a, tile);
  const int first = lane.row * a.w + lane.column;
  PixelEnd<V> ends[1 + kAhead];
  const auto load = [&](int i) {
    ends[i % (1 + kAhead)].load(end, first + i / 2 * a.w + i % 2 * 8,
                                tile.y + lane.row + i / 2 < a.h && tile.x + lane.column + i % 2 * 8 < a.w);
  };
  if constexpr (kAhead == 1) load(0);
  gpu::wgmma_wait<0>();
#pragma unroll
  for (int row = 0; row < V::kRows; ++row) gpu::pin(sums[row]);
#pragma unroll
  for (int i = 0; i < 2 * V::kRows; ++i) {
    if (i + kAhead < 2 * V::kRows) load(i + kAhead);
    store_pixel<V>(sums[i / 2], i % 2, ends[i % (1 + kAhead)], end, a.epilogue);
  }
}

}  // namespace
}  // namespace sr::cuda
