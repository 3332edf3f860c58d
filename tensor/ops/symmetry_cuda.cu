#include "tensor/cuda/tensors.h"
#include "tensor/error.h"
#include "tensor/ops/bicubic.cuh"
#include "tensor/ops/symmetry_cuda.h"

namespace sr::cuda {
namespace {

// ptxas: reorder_kernel registers<=40 shared<=0
__global__ void __launch_bounds__(kPictureX* kPictureY)
    reorder_kernel(int64_t images, int c, const float* x, int64_t pitch, const __grid_constant__ PixelOrder o,
                   float* y) {
  for_each_in_rows(images * o.h, static_cast<int>(o.w) * c, [&](int64_t row, int element) {
    const int64_t image = row / o.h, line = image * o.h * o.w + o.first + (row - image * o.h) * o.down;
    const int column = element / c;
    y[row * o.w * c + element] = x[(line + column * o.across) * pitch + element - column * c];
  });
}

}  // namespace

void reorder(const Queue& queue, const Shape& shape, ConstView x, const PixelOrder& order, float* y) {
  const int64_t rows = shape.n * order.h, length = order.w * shape.c;
  if (rows * length == 0) return;
  gpu::launch(reorder_kernel, picture_grid(queue, rows, length), dim3(kPictureX, kPictureY), 0, queue.stream,
              shape.n, static_cast<int>(shape.c), as<float>(x), x.pitch, order, y);
}

Tensor reordered(const Tensor& x, const PixelOrder& order) {
  if (x.dtype() != DType::f32)
    throw Error(Error::Kind::usage, "flips and rotations of values stored as ", x.dtype(), "; want f32");
  Tensor y(Shape{x.shape().n, order.h, order.w, x.shape().c}, DType::f32, Device::cuda);
  telling([&] { reorder(queue(), x.shape(), view(x), order, static_cast<float*>(y.address())); },
          "flip or rotation of ", x.shape());
  return y;
}

}  // namespace sr::cuda
