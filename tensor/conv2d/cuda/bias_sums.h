// The gradient of a bias, added up by kernels for the weight's gradient, which have dy in shared memory.
#pragma once

#include "tensor/conv2d/cuda/operands.h"

namespace sr::cuda {

/// Sums of a block's `Threads` threads over pixels of dy with so many channels: a thread adds 16 bytes of
/// every kAhead-th pixel.
template <class T, int Channels, int Threads>
struct BiasSums {
  static constexpr int kUnit = 16 / sizeof(T), kUnits = Channels / kUnit, kAhead = Threads / kUnits;
  static constexpr int kSharedBytes = kAhead * Channels * 4;
  static_assert(Channels % kUnit == 0);
  float of[kUnit] = {};

  /// The thread's 16 bytes of a pixel.
  GPU_FN static int unit() { return static_cast<int>(threadIdx.x) % kUnits; }

  /// Adds a tile of Width x Height pixels; at(row, column) points to the thread's unit of a pixel.
  template <int Width, int Height, class At>
  GPU_FN void add(At at) {
    const int thread = static_cast<int>(threadIdx.x);
    if (thread >= kAhead * kUnits) return;
#pragma unroll 1  // the products' sums leave few registers
    for (TileWalk<Width, kAhead> p(thread / kUnits); p.pixel < Width * Height; p.step()) {
      float values[kUnit];
      unpack_unit<T>(values, *reinterpret_cast<const uint4*>(at(p.row, p.column)));
#pragma unroll
      for (int i = 0; i < kUnit; ++i) of[i] += values[i];
    }
  }

  /// Writes the block's sums, each the threads' in their order. By all threads; `shared` is not in use.
  GPU_FN void write(float* shared, float* part) const {
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < kAhead * kUnits) {
#pragma unroll
      for (int i = 0; i < kUnit; i += 4)
        *reinterpret_cast<float4*>(shared + thread * kUnit + i) =
            make_float4(of[i], of[i + 1], of[i + 2], of[i + 3]);
    }
    __syncthreads();
    if (thread >= Channels) return;
    float sum = 0.0f;
#pragma unroll 8
    for (int i = 0; i < kAhead; ++i) sum += shared[i * Channels + thread];
    part[thread] = sum;
  }
};

/// Which element of the bias an element of a part is: its last ones, which follow on the weight's.
struct BiasPart {
  int weights;
  GPU_HD int operator()(int e) const { return e >= weights ? e - weights : -1; }
};

}  // namespace sr::cuda
