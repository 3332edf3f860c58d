// Windows of an image on a strided grid as operands of the tensor cores.
#pragma once

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

/// A convolution of a float32 image with stride to 64 channels stored as T; a term of a sum is k = (u * kw +
/// v) * channels + c.
template <class T>
struct StridedArgs {
  const float* image;
  T* coarse;        // what the convolution writes, or the gradient that is read
  const T* packed;  // or null
  float* part;      // or null
  ConvRun r;
  ConvEpilogue epilogue;
  int tile_rows, tile_columns, terms, in_h, in_w;  // in_h x in_w values are the windows of a tile together
};

/// Fills the table of where a term lies in a tile of in_w values a row; terms beyond the last are at 0, where
/// their weights are too.
template <class T>
GPU_FN void fill_offsets(int* offsets, int count, int first, const StridedArgs<T>& a) {
  const int line = a.r.kw * a.r.c;
  for (int k = static_cast<int>(threadIdx.x); k < count; k += static_cast<int>(blockDim.x)) {
    const int term = first + k;
    offsets[k] = term < a.terms ? term / line * a.in_w + term % line : 0;
  }
}

/// Starts the copies of the windows of tile t, which has `height` x `width` coarse pixels.
template <class T>
GPU_FN void load_windows(float* tile, const StridedArgs<T>& a, int t, int height, int width) {
  const ConvRun& r = a.r;
  const int x0 = t % a.tile_columns * width * r.stride - r.pad_w,
            y0 = t / a.tile_columns % a.tile_rows * height * r.stride - r.pad_h,
            image = t / (a.tile_columns * a.tile_rows);
  for (int i = static_cast<int>(threadIdx.x); i < a.in_h * a.in_w; i += static_cast<int>(blockDim.x)) {
    const int row = y0 + i / a.in_w, column = x0 + i % a.in_w / r.c;
    const bool inside = row >= 0 && row < r.h && column >= 0 && column < r.w;
    const long long from =
        ((static_cast<long long>(image) * r.h + row) * r.w + column) * r.x_pitch + i % a.in_w % r.c;
    gpu::cp_async4(tile + i, a.image + (inside ? from : 0), inside);
  }
}

/// One register of an operand: two values of T, or one rounded to TF32.
template <class T>
GPU_FN uint32_t operand(const float* p, int first, int second) {
  if constexpr (sizeof(T) == 4) {
    return gpu::to_tf32(p[first]);
  } else {
    return gpu::pack2<T>(p[first], p[second]);
  }
}

}  // namespace sr::cuda
