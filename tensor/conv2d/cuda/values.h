// Single values of any storage type, for kernels that serve them all: the branch is the same for all threads.
#pragma once

#include "tensor/conv2d/cuda/weights.h"

namespace sr::cuda {

GPU_FN float load_value(const void* p, DType storage, long long i) {
  if (storage == DType::f32) return static_cast<const float*>(p)[i];
  if (storage == DType::bf16) return gpu::to_float(static_cast<const __nv_bfloat16*>(p)[i]);
  return gpu::to_float(static_cast<const __half*>(p)[i]);
}

GPU_FN void store_value(void* p, DType storage, long long i, float v) {
  if (storage == DType::f32) {
    static_cast<float*>(p)[i] = v;
  } else if (storage == DType::bf16) {
    static_cast<__nv_bfloat16*>(p)[i] = gpu::from_float<__nv_bfloat16>(v);
  } else {
    static_cast<__half*>(p)[i] = gpu::from_float<__half>(v);
  }
}

GPU_FN float rounded_to(DType storage, float v) {
  if (storage == DType::f32) return v;
  return storage == DType::bf16 ? gpu::to_float(gpu::from_float<__nv_bfloat16>(v))
                                : gpu::to_float(gpu::from_float<__half>(v));
}

/// Carries the sum of one output value through the epilogue (see ConvEpilogue) into y.
GPU_FN void finish_value(float sum, const ConvEpilogue& e, void* y, DType storage, long long pixel,
                         long long y_pitch, int c) {
  float v = sum + (e.bias ? e.bias[c] : 0.0f);
  v = rounded_to(storage, v > 0.0f ? v : e.leak * v);
  if (e.own.data) store_value(e.own.data, storage, pixel * e.own.pitch + c, v);
  if (e.added[0].data) {
    const int first_c = static_cast<int>(e.added[0].c);
    v += c < first_c ? load_value(e.added[0].data, storage, pixel * e.added[0].pitch + c)
                     : load_value(e.added[1].data, storage, pixel * e.added[1].pitch + c - first_c);
  }
  if (e.mask.data)
    v *= load_value(e.mask.data, storage, pixel * e.mask.pitch + c) > 0.0f ? 1.0f : e.mask_leak;
  store_value(y, storage, pixel * y_pitch + c, v);
}

/// The same for output o of pixel (row, column) before the shuffle; with one, o is phase o / channels of a
/// coarse pixel.
GPU_FN void write_output(const ConvRun& r, const ConvEpilogue& e, void* y, DType storage, int image, int row,
                         int column, int o, float sum) {
  const int channels = r.o / (r.shuffle * r.shuffle), phase = o / channels;
  row = row * r.shuffle + phase / r.shuffle, column = column * r.shuffle + phase % r.shuffle;
  if (row >= r.y_h || column >= r.y_w) return;
  const long long to = (static_cast<long long>(image) * r.y_h + row) * r.y_w + column;
  finish_value(sum, e, y, storage, to, r.y_pitch, o % channels);
}

}  // namespace sr::cuda
