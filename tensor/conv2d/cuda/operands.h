// What the tensor-core convolutions share: operands of the three types, and the end of an output value.
#pragma once

#include "tensor/conv2d/cuda/problem.h"
#include "tensor/cuda/tensor_core.h"

namespace sr::cuda {

/// Shared memory that a block has on every device that these kernels run on: GPUs for graphics of sm_86,
/// sm_89 and sm_120 have 99 KiB where sm_80 has 163 and sm_90 227.
constexpr int kLeastSharedBytes = 99 * 1024;

/// The least pitch for c channels in shared memory that is an odd number of 16-byte units.
template <class T>
GPU_HD constexpr int odd_units(int c) {
  const int unit = 16 / static_cast<int>(sizeof(T)), units = (c + unit - 1) / unit;
  return (units % 2 == 1 ? units : units + 1) * unit;
}

/// A thread's way over a tile `Width` pixels wide, `Ahead` pixels a step. Steps are added up: divisions and
/// products of 64 bits would cost more instructions than the copies they are for.
template <int Width, int Ahead>
struct TileWalk {
  int pixel, row, column;

  GPU_FN explicit TileWalk(int first) : pixel(first), row(first / Width), column(first % Width) {}
  GPU_FN void step() {
    pixel += Ahead, row += Ahead / Width, column += Ahead % Width;
    if (column >= Width) column -= Width, ++row;
  }
};

/// Waits for the copies that were started last, or, where those are `ahead`, for all before them.
GPU_FN void wait_for_copies(bool ahead) {
  if (ahead) {
    gpu::cp_wait<1>();
  } else {
    gpu::cp_wait<0>();
  }
}

/// Whether 0 <= i < n.
GPU_FN bool within(int i, int n) {
  return static_cast<unsigned>(i) < static_cast<unsigned>(n);
}

template <int M, int N>
GPU_FN void clear(float (&acc)[M][N][4]) {
#pragma unroll
  for (int i = 0; i < M; ++i) {
#pragma unroll
    for (int j = 0; j < N; ++j) {
#pragma unroll
      for (int k = 0; k < 4; ++k) acc[i][j][k] = 0.0f;
    }
  }
}

/// The tiles from number `tile` in FragmentOrder's order.
template <int N, class T>
GPU_FN void load_fragments(uint32_t (&b)[N][2], const T* packed, int tile, int lane) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(packed) + tile * 256;
#pragma unroll
  for (int j = 0; j + 1 < N; j += 2) {
    const uint4 v = *reinterpret_cast<const uint4*>(bytes + j * 256 + lane * 16);
    b[j][0] = v.x, b[j][1] = v.y, b[j + 1][0] = v.z, b[j + 1][1] = v.w;
  }
  if constexpr (N % 2 == 1) {
    const uint2 v = *reinterpret_cast<const uint2*>(bytes + (N - 1) * 256 + lane * 8);
    b[N - 1][0] = v.x, b[N - 1][1] = v.y;
  }
}

/// acc += a b with operands of type T (float: TF32).
template <class T, int MI, int NI, int NT>
GPU_FN void multiply(float (&acc)[MI][NT][4], int n0, const uint32_t (&a)[MI][4], const uint32_t (&b)[NI][2],
                     gpu::Line at = gpu::Line::here()) {
  if constexpr (std::is_same_v<T, float>) {
    gpu::mma_tf32<MI, NI, NT>(acc, n0, a, b, at);
  } else if constexpr (std::is_same_v<T, __half>) {
    gpu::mma_f16<MI, NI, NT>(acc, n0, a, b, at);
  } else {
    gpu::mma_bf16<MI, NI, NT>(acc, n0, a, b, at);
  }
}

/// A (16 channels x a k step of pixels), transposed from [pixel][channel].
template <class T>
GPU_FN void load_channels_a(uint32_t (&a)[4], const T* first_pixel, int pitch, int lane) {
  if constexpr (sizeof(T) == 2) {
    gpu::ldmatrix_x4_trans(a, first_pixel + (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8);
  } else {
    const T* const p = first_pixel + lane % 4 * pitch + lane / 4;
    const T values[4] = {p[0], p[8], p[4 * pitch], p[4 * pitch + 8]};
    memcpy(a, values, sizeof(a));
  }
}

/// B (a k step of pixels x 8 channels a tile).
template <int N, class T>
GPU_FN void load_channels_b(uint32_t (&b)[N][2], const T* first_pixel, int pitch, int lane) {
#pragma unroll
  for (int j = 0; j < N; j += 2) {
    if constexpr (sizeof(T) == 2) {
      uint32_t r[4];
      gpu::ldmatrix_x4_trans(r, first_pixel + lane % 16 * pitch + lane / 16 * 8 + 8 * j);
      b[j][0] = r[0], b[j][1] = r[1], b[j + 1][0] = r[2], b[j + 1][1] = r[3];
    } else {
      const T* const p = first_pixel + lane % 4 * pitch + lane / 4 + 8 * j;
      const T values[4] = {p[0], p[4 * pitch], p[8], p[4 * pitch + 8]};
      memcpy(b[j], values, sizeof(b[j]));
      memcpy(b[j + 1], values + 2, sizeof(b[j]));
    }
  }
}

/// Rounds 16 bytes of float32 operands to TF32 in place.
GPU_FN void round_unit(float* p) {
  const float4 v = *reinterpret_cast<const float4*>(p);
  *reinterpret_cast<uint4*>(p) =
      make_uint4(gpu::to_tf32(v.x), gpu::to_tf32(v.y), gpu::to_tf32(v.z), gpu::to_tf32(v.w));
}

GPU_FN float leaky(float v, float leak) {
  return v > 0.0f ? v : leak * v;
}

template <class T>
GPU_FN void store_pair(T* p, float v0, float v1) {
  if constexpr (sizeof(T) == 4) {
    *reinterpret_cast<float2*>(p) = make_float2(v0, v1);
  } else {
    *reinterpret_cast<uint32_t*>(p) = gpu::pack2<T>(v0, v1);
  }
}

/// 16 bytes as floats and back.
template <class T>
GPU_FN void unpack_unit(float (&f)[16 / sizeof(T)], uint4 v) {
  const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 4) {
      memcpy(&f[i], &words[i], sizeof(float));
    } else {
      const float2 two = gpu::unpack2<T>(words[i]);
      f[2 * i] = two.x, f[2 * i + 1] = two.y;
    }
  }
}

template <class T>
GPU_FN uint4 pack_unit(const float (&f)[16 / sizeof(T)]) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(T) == 4) {
      memcpy(&words[i], &f[i], sizeof(float));
    } else {
      words[i] = gpu::pack2<T>(f[2 * i], f[2 * i + 1]);
    }
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

template <class T>
GPU_FN uint4 load_unit(const void* data, long long element) {
  return *reinterpret_cast<const uint4*>(static_cast<const T*>(data) + element);
}

/// The added tensors' unit at channel c.
template <class T>
GPU_FN uint4 load_added(const ConvEpilogue& e, long long pixel, int c) {
  const int first_c = static_cast<int>(e.added[0].c);
  return c < first_c ? load_unit<T>(e.added[0].data, pixel * e.added[0].pitch + c)
                     : load_unit<T>(e.added[1].data, pixel * e.added[1].pitch + c - first_c);
}

/// What follows the activation (see ConvEpilogue), for the channels from c in one 16-byte unit; added() and
/// mask() give their units.
template <class T, class Added, class Mask>
GPU_FN uint4 finish_unit_with(uint4 v, const ConvEpilogue& e, long long pixel, int c, Added added,
                              Mask mask) {
  constexpr int kUnit = 16 / sizeof(T);
  if (e.own.data) *reinterpret_cast<uint4*>(static_cast<T*>(e.own.data) + pixel * e.own.pitch + c) = v;
  if (!e.added[0].data && !e.mask.data) return v;
  float f[kUnit], g[kUnit];
  unpack_unit<T>(f, v);
  if (e.added[0].data) {
    unpack_unit<T>(g, added());
#pragma unroll
    for (int i = 0; i < kUnit; ++i) f[i] += g[i];
  }
  if (e.mask.data) {
    unpack_unit<T>(g, mask());
#pragma unroll
    for (int i = 0; i < kUnit; ++i) f[i] *= g[i] > 0.0f ? 1.0f : e.mask_leak;
  }
  return pack_unit<T>(f);
}

template <class T>
GPU_FN uint4 finish_unit(uint4 v, const ConvEpilogue& e, long long pixel, int c) {
  return finish_unit_with<T>(
      v, e, pixel, c, [&] { return load_added<T>(e, pixel, c); },
      [&] { return load_unit<T>(e.mask.data, pixel * e.mask.pitch + c); });
}

/// Carries the sums of N neighbouring channels from c through the epilogue (see ConvEpilogue) into y.
template <int N>
GPU_FN void write_units(const float (&sums)[N], const ConvEpilogue& e, float* y, long long pixel,
                        long long y_pitch, int c) {
#pragma unroll
  for (int j = 0; j < N; j += 4) {
    float v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = leaky(sums[j + k] + (e.bias ? e.bias[c + j + k] : 0.0f), e.leak);
    *reinterpret_cast<uint4*>(y + pixel * y_pitch + c + j) =
        finish_unit<float>(pack_unit<float>(v), e, pixel, c + j);
  }
}

/// What a unit meets after its activation, read before it is finished: many reads are on their way at a time.
struct MetUnit {
  uint4 added, mask;
};

template <class T>
GPU_FN MetUnit load_met(const ConvEpilogue& e, long long pixel, int c) {
  MetUnit met{};
  if (e.added[0].data) met.added = load_added<T>(e, pixel, c);
  if (e.mask.data) met.mask = load_unit<T>(e.mask.data, pixel * e.mask.pitch + c);
  return met;
}

template <class T>
GPU_FN uint4 finish_unit(uint4 v, const MetUnit& met, const ConvEpilogue& e, long long pixel, int c) {
  return finish_unit_with<T>(
      v, e, pixel, c, [&] { return met.added; }, [&] { return met.mask; });
}

template <class T>
GPU_FN float2 load_pair(const void* data, long long element) {
  const T* const p = static_cast<const T*>(data) + element;
  if constexpr (sizeof(T) == 4) {
    return *reinterpret_cast<const float2*>(p);
  } else {
    return gpu::unpack2<T>(*reinterpret_cast<const uint32_t*>(p));
  }
}

/// Carries the sums of two neighbouring channels through the epilogue (see ConvEpilogue) into y.
template <class T>
GPU_FN void finish_pair(float v0, float v1, const ConvEpilogue& e, T* y, long long pixel, long long y_pitch,
                        int c) {
  v0 = leaky(v0 + (e.bias ? e.bias[c] : 0.0f), e.leak);
  v1 = leaky(v1 + (e.bias ? e.bias[c + 1] : 0.0f), e.leak);
  if (e.added[0].data || e.mask.data) {
    v0 = gpu::to_float(gpu::from_float<T>(v0)), v1 = gpu::to_float(gpu::from_float<T>(v1));
  }
  if (e.own.data) store_pair(static_cast<T*>(e.own.data) + pixel * e.own.pitch + c, v0, v1);
  if (e.added[0].data) {
    const int first_c = static_cast<int>(e.added[0].c);
    const float2 more = c < first_c ? load_pair<T>(e.added[0].data, pixel * e.added[0].pitch + c)
                                    : load_pair<T>(e.added[1].data, pixel * e.added[1].pitch + c - first_c);
    v0 += more.x, v1 += more.y;
  }
  if (e.mask.data) {
    const float2 saved = load_pair<T>(e.mask.data, pixel * e.mask.pitch + c);
    v0 *= saved.x > 0.0f ? 1.0f : e.mask_leak, v1 *= saved.y > 0.0f ? 1.0f : e.mask_leak;
  }
  store_pair(y + pixel * y_pitch + c, v0, v1);
}

}  // namespace sr::cuda
