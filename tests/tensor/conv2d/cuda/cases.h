// The convolutions of IDN as the CUDA kernels are asked for them.
#pragma once

#include "tests/tensor/conv2d/cuda/run.h"

namespace sr {

struct CudaLayer {
  const char* name;
  int64_t c, o;
  int groups, kernel;
};

inline const CudaLayer kTensorLayers[] = {
    {"64 to 64", 64, 64, 1, 3}, {"64 to 48", 64, 48, 1, 3},      {"48 to 32 in 4 groups", 48, 32, 4, 3},
    {"32 to 64", 32, 64, 1, 3}, {"48 to 64", 48, 64, 1, 3},      {"64 to 48 in 4 groups", 64, 48, 4, 3},
    {"48 to 80", 48, 80, 1, 3}, {"80 to 64, 1x1", 80, 64, 1, 1},
};

inline const cuda::ConvTypes kTensorTypes[] = {
    {DType::bf16, DType::bf16, cuda::Math::bf16},
    {DType::f16, DType::f16, cuda::Math::fp16},
    {DType::f32, DType::f32, cuda::Math::tf32},
};

inline CudaConv layer_conv(const CudaLayer& l, int64_t n, int64_t h, int64_t w,
                           const cuda::ConvTypes& types) {
  return {l.name,
          {n, h, w, l.c},
          {l.o, l.kernel, l.kernel, l.c / l.groups},
          {.pad_begin = l.kernel / 2, .pad_end = l.kernel / 2, .groups = l.groups},
          types};
}

/// The transposed convolution from 64 channels at h x w to `channels` at factor times that, as the
/// convolution whose gradient it is; the paper's phase.
inline CudaConv upsampler(int factor, int64_t n, int64_t h, int64_t w, int64_t channels,
                          const cuda::ConvTypes& types) {
  const int begin = 9 - factor;
  return {"upsampler",
          {n, factor * h, factor * w, channels},
          {64, 17, 17, channels},
          {.stride = factor, .pad_begin = begin, .pad_end = 17 - factor - begin},
          types};
}

inline CudaConv first_layer(int64_t n, int64_t h, int64_t w, const cuda::ConvTypes& types) {
  return {"1 to 64", {n, h, w, 1}, {64, 3, 3, 1}, {.pad_begin = 1, .pad_end = 1}, types};
}

}  // namespace sr
