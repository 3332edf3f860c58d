// The types that the tensor cores multiply, as values to call templates with.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tensor/conv2d/cuda/problem.h"

namespace sr::cuda {

/// What tensors are stored as whose values are operands of type T (float: rounded to TF32).
template <class T>
inline constexpr DType kStorage = DType::f32;
template <>
inline constexpr DType kStorage<__nv_bfloat16> = DType::bf16;
template <>
inline constexpr DType kStorage<__half> = DType::f16;

/// Calls f with a value of the tensor cores' operand type, but for fp32.
template <class F>
void with_operand(Math math, F f) {
  if (math == Math::bf16) f(__nv_bfloat16());
  if (math == Math::fp16) f(__half());
  if (math == Math::tf32) f(float());
}

/// The same for the 16-bit types only.
template <class F>
void with_half_operand(Math math, F f) {
  if (math == Math::bf16) f(__nv_bfloat16());
  if (math == Math::fp16) f(__half());
}

}  // namespace sr::cuda
