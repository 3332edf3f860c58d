#include <algorithm>
#include <utility>

#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/cuda/telling.h"
#include "tensor/ops/reduce_cuda.h"

namespace sr::cuda {
namespace {

// Of the tensors that wait: when they are more, what waits is computed. A backward pass of 64 patches of
// 29 x 29 stays below in every precision.
constexpr int64_t kMostBytesWaiting = int64_t{2} << 30;

thread_local GatherGradients* gathering = nullptr;

int64_t bytes_of(const Tensor& x) {
  return x.shape().pixels() * x.pitch() * sr::bytes_of(x.dtype());
}

void compute_together(const GradWeightWork* layers, size_t count) {
  const auto& [dims, types, x, dy, dw] = *layers;
  std::vector<GradWeightTask> tasks;
  for (size_t i = 0; i < count; ++i)
    tasks.push_back(
        {layers[i].x.address(), layers[i].dy.address(), static_cast<float*>(Tensor(layers[i].dw).address())});
  const int64_t bytes =
      conv2d_workspace(ConvOp::grad_weight, dims, types, conv_device(), static_cast<int>(count));
  Tensor partial(Shape{1, 1, 1, (bytes + 3) / 4}, DType::f32, Device::cuda);
  telling([&] { conv2d_grad_weights(dims, types, tasks, partial.address(), conv_device()); },
          "conv2d_grad_weight of ", x.shape(), " for weights ", dw.shape());
}

}  // namespace

void compute_grad_weights(const std::vector<GradWeightWork>& layers) {
  for (size_t i = 0; i < layers.size(); i += kMostGradWeights)
    compute_together(&layers[i], std::min<size_t>(kMostGradWeights, layers.size() - i));
}

void add_sums(const std::vector<ChannelSumsWork>& channels) {
  std::vector<ChannelPieces> pieces;
  for (const ChannelSumsWork& w : channels)
    pieces.push_back({static_cast<const double*>(w.sums.get()), w.pixels, w.y.shape().c,
                      static_cast<float*>(Tensor(w.y).address())});
  add_pieces(queue(), pieces);
}

bool gather(const ChannelSumsWork& work) {
  if (gathering) gathering->add(work);
  return gathering != nullptr;
}

bool gather(const GradWeightWork& work) {
  if (gathering) gathering->add(work);
  return gathering != nullptr;
}

void finish_if_waiting(const Tensor& x) {
  if (x && gathering && gathering->has(x)) gathering->finish();
}

GatherGradients::GatherGradients() : before_(std::exchange(gathering, this)) {}

GatherGradients::~GatherGradients() {
  gathering = before_;
}

void GatherGradients::add(const GradWeightWork& work) {
  waiting_.push_back(work);
  bytes_ += bytes_of(work.x) + bytes_of(work.dy);
  if (bytes_ > kMostBytesWaiting) finish();
}

void GatherGradients::add(const ChannelSumsWork& work) {
  sums_.push_back(work);
}

bool GatherGradients::has(const Tensor& gradient) const {
  const auto* const at = static_cast<const char*>(gradient.address());
  const auto is = [&](const Tensor& x) {  // or a view of it
    const auto* const begin = static_cast<const char*>(x.address());
    return begin <= at && at < begin + 4 * x.shape().size();
  };
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& w) { return is(w.dw); }) ||
         std::any_of(sums_.begin(), sums_.end(), [&](const auto& w) { return is(w.y); });
}

void GatherGradients::finish() {
  add_sums(std::exchange(sums_, {}));
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
