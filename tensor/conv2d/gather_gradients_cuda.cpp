#include "tensor/conv2d/gather_gradients_cuda.h"

#include <algorithm>
#include <utility>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/conv2d/packed_weights_cuda.h"
#include "tensor/cuda/telling.h"

namespace sr::cuda {
namespace {

// Of the tensors that wait: when they are more, what waits is computed. A backward pass of 64 patches of
// 29 x 29 stays below in every precision.
constexpr int64_t kMostBytesWaiting = int64_t{2} << 30;

thread_local GatherGradWeights* gathering = nullptr;

int64_t bytes_of(const Tensor& x) {
  return x.shape().pixels() * x.pitch() * sr::bytes_of(x.dtype());
}

void compute_together(const GradWeightWork* layers, size_t count) {
  const auto& [dims, types, x, dy, dw, db] = *layers;
  const auto written = [](Tensor t) { return t ? static_cast<float*>(t.address()) : nullptr; };
  std::vector<GradWeightTask> tasks;
  for (size_t i = 0; i < count; ++i)
    tasks.push_back(
        {layers[i].x.address(), layers[i].dy.address(), written(layers[i].dw), written(layers[i].db)});
  const int64_t bytes =
      conv2d_workspace(ConvOp::grad_weight, dims, types, conv_device(), static_cast<int>(count));
  Tensor partial(Shape{1, 1, 1, (bytes + 3) / 4}, DType::f32, Device::cuda);
  telling([&] { conv2d_grad_weights(dims, types, tasks, partial.address(), conv_device()); },
          "conv2d_grad_weight of ", x.shape(), " for weights ", dw.shape());
}

void compute_grad_weights(const std::vector<GradWeightWork>& layers) {
  for (size_t i = 0; i < layers.size(); i += kMostGradWeights)
    compute_together(&layers[i], std::min<size_t>(kMostGradWeights, layers.size() - i));
}

}  // namespace

void compute(const GradWeightWork& work) {
  if (gathering)
    gathering->add(work);
  else
    compute_grad_weights({work});
}

GatherGradWeights::GatherGradWeights() : before_(std::exchange(gathering, this)) {}

GatherGradWeights::~GatherGradWeights() {
  gathering = before_;
}

void GatherGradWeights::add(const GradWeightWork& work) {
  waiting_.push_back(work);
  bytes_ += bytes_of(work.x) + bytes_of(work.dy);
  if (bytes_ > kMostBytesWaiting) finish_all();
}

bool GatherGradWeights::has(const Tensor& gradient) const {
  return std::ranges::any_of(waiting_, [&](const GradWeightWork& w) {
    return lies_in(gradient, w.dw) || (w.db && lies_in(gradient, w.db));
  });
}

void GatherGradWeights::finish() {
  std::vector<GradWeightWork> waiting = std::exchange(waiting_, {});
  bytes_ = 0;
  while (!waiting.empty()) {
    const GradWeightWork first = waiting.front();
    const auto rest = std::stable_partition(waiting.begin(), waiting.end(), [&](const GradWeightWork& w) {
      return w.dims == first.dims && w.types == first.types;
    });
    compute_grad_weights({waiting.begin(), rest});
    waiting.erase(waiting.begin(), rest);
  }
}

}  // namespace sr::cuda
