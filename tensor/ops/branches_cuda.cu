#include "tensor/cuda/storage.cuh"
#include "tensor/cuda/tensors.h"
#include "tensor/error.h"
#include "tensor/ops/branches_cuda.h"

namespace sr::cuda {
namespace {

constexpr int kThreads = 128;

// A thread for each value: the matrices are weights, whose product is small beside a convolution with them.
// ptxas: product_kernel registers<=64 shared<=0
__global__ void __launch_bounds__(kThreads)
    product_kernel(const __grid_constant__ ProductSizes s, const float* a, const float* b, float* y) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x, size = s.rows * s.columns;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < size; i += step) {
    const int64_t row = i / s.columns, column = i - row * s.columns;
    const float* u = a + row * s.a_row;
    const float* v = b + column * s.b_column;
    float sum = 0;
    for (int64_t k = 0; k < s.depth; ++k, u += s.a_depth, v += s.b_depth) sum += *v * *u;
    y[i] = sum;
  }
}

const float* floats(const Tensor& x) {
  if (x.dtype() != DType::f32)
    throw Error(Error::Kind::usage, "product of values stored as ", x.dtype(), "; want f32");
  return static_cast<const float*>(filled(x));
}

}  // namespace

void product(const Queue& queue, const ProductSizes& s, const float* a, const float* b, float* y) {
  const int64_t blocks = (s.rows * s.columns + kThreads - 1) / kThreads;
  if (blocks == 0) return;
  gpu::launch(product_kernel, dim3(static_cast<unsigned>(blocks < queue.blocks ? blocks : queue.blocks)),
              dim3(kThreads), 0, queue.stream, s, a, b, y);
}

Tensor product(const Matrix& a, const Matrix& b, int64_t rows, int64_t depth, int64_t columns, Shape shape) {
  ProductSizes s{rows, depth, columns, depth, 1, columns, 1};
  if (a.transposed) s.a_row = 1, s.a_depth = rows;
  if (b.transposed) s.b_depth = 1, s.b_column = depth;
  Tensor y(shape, DType::f32, Device::cuda);
  telling([&] { product(queue(), s, floats(a.values), floats(b.values), static_cast<float*>(y.address())); },
          "product of ", a.values.shape(), " and ", b.values.shape());
  return y;
}

}  // namespace sr::cuda
