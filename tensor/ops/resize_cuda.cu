#include "tensor/ops/resize_cuda.h"

#include "tensor/cuda/tensors.h"
#include "tensor/error.h"
#include "tensor/ops/bicubic.cuh"

namespace sr::cuda {
namespace {

// ptxas: bicubic_enlarge_kernel registers<=64 shared<=0
__global__ void __launch_bounds__(kPictureX* kPictureY)
    bicubic_enlarge_kernel(int64_t rows, int h, int w, int c, const float* x, int64_t pitch, int factor,
                           const float* weights, float* y) {
  const int fine_h = h * factor, length = w * factor * c;
  for_each_in_rows(rows, length, [&](int64_t row, int i) {
    const int64_t image = row / fine_h;
    const float* const from = x + image * h * w * pitch + i % c;
    y[row * length + i] =
        EnlargedPixel(pitch, h, w, factor, weights, static_cast<int>(row - image * fine_h), i / c)(from);
  });
}

// Where output `output` begins in its line.
GPU_FN int first_input(const DevicePhases& p, int output) {
  return output / p.count * p.step + static_cast<int>(p.first[output % p.count]);
}

// Along the rows: y [rows, out_w, c].
// ptxas: resize_rows_kernel registers<=40 shared<=0
__global__ void __launch_bounds__(kPictureX* kPictureY)
    resize_rows_kernel(int64_t rows, int w, int out_w, int c, const float* x, int64_t pitch,
                       const DevicePhases p, float* y) {
  const int length = out_w * c;
  for_each_in_rows(rows, length, [&](int64_t row, int i) {
    const int output = i / c, first = first_input(p, output);
    const float* const weights = p.weight + output % p.count * p.taps;
    const float* const line = x + row * w * pitch + i % c;
    float sum = weights[0] * line[mirrored_index(first, w) * pitch];
    for (int64_t t = 1; t < p.taps; ++t)
      sum = sum + weights[t] * line[mirrored_index(first + static_cast<int>(t), w) * pitch];
    y[row * length + i] = sum;
  });
}

// Down the columns: x [n, h, length], y [n, out_h, length].
// ptxas: resize_columns_kernel registers<=40 shared<=0
__global__ void __launch_bounds__(kPictureX* kPictureY)
    resize_columns_kernel(int64_t rows, int h, int out_h, int length, const float* x, const DevicePhases p,
                          float* y) {
  for_each_in_rows(rows, length, [&](int64_t row, int i) {
    const int64_t image = row / out_h;
    const int output = static_cast<int>(row - image * out_h), first = first_input(p, output);
    const float* const weights = p.weight + output % p.count * p.taps;
    const float* const column = x + image * h * length + i;
    float sum = weights[0] * column[static_cast<int64_t>(mirrored_index(first, h)) * length];
    for (int64_t t = 1; t < p.taps; ++t)
      sum = sum + weights[t] *
                      column[static_cast<int64_t>(mirrored_index(first + static_cast<int>(t), h)) * length];
    y[row * length + i] = sum;
  });
}

constexpr dim3 kPictureBlock(kPictureX, kPictureY);

}  // namespace

std::vector<float> enlarging_weights(int factor) {
  return Phases(1, factor).weight;
}

void bicubic_enlarge(const Queue& queue, Shape shape, ConstView x, int factor, const float* weights,
                     float* y) {
  if (shape.size() == 0) return;
  const int64_t rows = shape.n * shape.h * factor;
  gpu::launch(bicubic_enlarge_kernel, picture_grid(queue, rows, shape.w * factor * shape.c), kPictureBlock, 0,
              queue.stream, rows, static_cast<int>(shape.h), static_cast<int>(shape.w),
              static_cast<int>(shape.c), as<float>(x), x.pitch, factor, weights, y);
}

void bicubic_resize(const Queue& queue, Shape shape, ConstView x, int64_t h, int64_t w,
                    const DevicePhases& across, const DevicePhases& down, float* lines, float* y) {
  if (shape.size() == 0) return;
  const int64_t in_rows = shape.n * shape.h, out_rows = shape.n * h, length = w * shape.c;
  gpu::launch(resize_rows_kernel, picture_grid(queue, in_rows, length), kPictureBlock, 0, queue.stream,
              in_rows, static_cast<int>(shape.w), static_cast<int>(w), static_cast<int>(shape.c),
              as<float>(x), x.pitch, across, lines);
  gpu::launch(resize_columns_kernel, picture_grid(queue, out_rows, length), kPictureBlock, 0, queue.stream,
              out_rows, static_cast<int>(shape.h), static_cast<int>(h), static_cast<int>(length), lines, down,
              y);
}

namespace {

template <class T>
std::shared_ptr<void> on_device(const std::vector<T>& values) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  std::shared_ptr<void> memory = allocate(bytes);
  copy_to_device(memory.get(), values.data(), bytes);
  return memory;
}

}  // namespace

Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w) {
  if (x.dtype() != DType::f32)
    throw Error(Error::Kind::usage, "bicubic resize: the tensor is stored as ", x.dtype(),
                "; convert() it to f32");
  const Shape& s = x.shape();
  Tensor y(Shape{s.n, h, w, s.c}, DType::f32, Device::cuda),
      lines(Shape{s.n, s.h, w, s.c}, DType::f32, Device::cuda);
  const Phases across(s.w, w), down(s.h, h);
  const std::shared_ptr<void> across_first = on_device(across.first),
                              across_weight = on_device(across.weight), down_first = on_device(down.first),
                              down_weight = on_device(down.weight);
  telling(
      [&] {
        bicubic_resize(queue(), s, view(x), h, w,
                       {across, static_cast<const int64_t*>(across_first.get()),
                        static_cast<const float*>(across_weight.get())},
                       {down, static_cast<const int64_t*>(down_first.get()),
                        static_cast<const float*>(down_weight.get())},
                       static_cast<float*>(lines.address()), static_cast<float*>(y.address()));
      },
      "bicubic_resize of ", s, " to ", h, " x ", w, " pixels");
  return y;
}

}  // namespace sr::cuda
