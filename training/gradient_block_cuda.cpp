#include "training/gradient_block_cuda.h"

#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise_cuda.h"

namespace sr::cuda {
namespace {

constexpr int64_t kAligned = 4;  // numbers

}  // namespace

GradientBlock::GradientBlock(const Params& params) : places_{kAligned} {
  for (const Parameter& p : params.list())
    places_.push_back(places_.back() + (p.var.shape().size() + kAligned - 1) / kAligned * kAligned);
  const std::vector<float> zeros(static_cast<size_t>(count()));
  all_ = Tensor({1, 1, 1, count()}, DType::f32, Device::cuda);
  copy_to_device(all_.address(), zeros.data(), 4 * count());
  loss_ = all_.part(0, {1, 1, 1, 1});
}

void GradientBlock::take(const Tensor& loss, float share, const Params& params) {
  scale(queue(), DType::f32, 1, 1, {loss.address(), 1}, share, {loss_.address(), 1});
  for (size_t i = 0; i < params.list().size(); ++i) {
    const Tensor& gradient = params.list()[i].var.grad();
    start_copy_on_device(numbers() + places_[i], gradient.address(), 4 * gradient.shape().size());
  }
}

}  // namespace sr::cuda
