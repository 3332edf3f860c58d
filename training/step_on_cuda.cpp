#include "training/step_on_cuda.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "autograd/functions.h"
#include "tensor/device_error.h"

namespace sr::cuda {
namespace {

float* floats(Tensor& x) {
  return static_cast<float*>(x.address());
}

template <class T>
Tensor device_array(size_t count) {
  return Tensor(Shape{1, 1, 1, static_cast<int64_t>((count * sizeof(T) + 3) / 4)}, DType::f32, Device::cuda);
}

// Numbers of the processor into pinned memory, from where the recorded copies take them.
void put(PinnedMemory& pinned, const Tensor& x) {
  const int64_t bytes = 4 * x.shape().size();
  std::memcpy(pinned.reserve(bytes), x.data(), static_cast<size_t>(bytes));
}

void start_copy(Tensor& to, PinnedMemory& from) {
  const int64_t bytes = 4 * to.shape().size();
  start_copy_to_device(to.address(), from.reserve(bytes), bytes);
}

}  // namespace

StepOnCuda::StepOnCuda(Model& model, Model* average, Adam& adam, LossOf loss_of, const Options& options)
    : model_(model), average_(average), adam_(adam), loss_of_(std::move(loss_of)), options_(options) {
  auto moments = adam.moments();
  const std::vector<Parameter>& list = model.params->list();
  for (size_t i = 0; i < list.size(); ++i) {
    const Parameter& p = list[i];
    Tensor weight = p.var.value();  // the same memory
    AdamTensor t;
    t.weight = floats(weight);
    t.m = floats(moments[2 * i].second);
    t.v = floats(moments[2 * i + 1].second);
    if (average) {
      Tensor mean = average->params->list()[i].var.value();
      t.average = floats(mean);
    }
    t.size = p.var.shape().size();
    t.rate = options.rate_multipliers ? double{p.rate} : 1;
    t.decay = p.decays ? adam.options().weight_decay : 0;
    tensors_.push_back(t);
  }
  pieces_ = number_pieces(tensors_);
  table_ = device_array<AdamTensor>(tensors_.size());
  workspace_ = device_array<double>(static_cast<size_t>(pieces_));
  step_ = device_array<AdamStep>(1);
  state_ = device_array<StepState>(1);
}

// Memory for batches of this shape.
void StepOnCuda::prepare(const Tensor& down, const Tensor& gt) {
  if (graph_ && down_.shape() == down.shape() && gt_.shape() == gt.shape()) return;
  graph_.reset();
  down_ = Tensor(down.shape(), DType::f32, Device::cuda);
  base_ = Tensor(gt.shape(), DType::f32, Device::cuda);
  gt_ = Tensor(gt.shape(), DType::f32, Device::cuda);
  // A pixel's gradient of the mean error, 1 / size, becomes about 1.
  if (loss_scale_ == 0)
    loss_scale_ = precision() == Precision::fp16
                      ? std::exp2(std::floor(std::log2(static_cast<double>(gt.shape().size()))))
                      : 1;
}

// The table of the parameters with the gradients that backward() has just left, which are then given up.
void StepOnCuda::take_gradients() {
  auto* const table = static_cast<AdamTensor*>(
      pinned_table_.reserve(static_cast<int64_t>(tensors_.size() * sizeof(AdamTensor))));
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& gradient = model_.params->list()[i].var.grad();
    if (!gradient || !gradient.is_contiguous() || gradient.dtype() != DType::f32)
      throw Error(Error::Kind::usage, "training: ", model_.params->list()[i].name,
                  " has no gradient of its own");
    tensors_[i].gradient = static_cast<const float*>(gradient.address());
    table[i] = tensors_[i];
  }
}

// All of a step that the GPU does. What changes from step to step comes through pinned memory.
void StepOnCuda::compute() {
  start_copy(down_, pinned_down_);
  start_copy(base_, pinned_base_);
  start_copy(gt_, pinned_gt_);
  const KeepPacked keep(packed_);
  packed_.pack_again();  // those that the first run has met
  const Var loss = loss_of_(add((*model_.network)(Var(down_)), Var(base_)), gt_);
  const auto scale = static_cast<float>(loss_scale_);
  GatherGradients gathered;
  loss.backward(Tensor::from({1, 1, 1, 1}, {&scale, 1}));
  gathered.finish();
  take_gradients();
  start_copy(table_, pinned_table_);
  start_copy(step_, pinned_step_);
  auto* const state = static_cast<StepState*>(state_.address());
  const AdamTable table{static_cast<const AdamTensor*>(table_.address()), static_cast<int>(tensors_.size()),
                        pieces_};
  gradient_norm(queue(), table, 1 / loss_scale_, options_.clip_norm,
                static_cast<const float*>(loss.value().address()), state,
                static_cast<double*>(workspace_.address()));
  adam(queue(), table, adam_.options(), DType::bf16, static_cast<const AdamStep*>(step_.address()), state);
  start_copy_to_host(pinned_state_.reserve(sizeof(StepState)), state, sizeof(StepState));
  start_copy_to_host(pinned_loss_.reserve(sizeof(float)), loss.value().address(), sizeof(float));
  for (Parameter& p : model_.params->list()) p.var.clear_grad();
}

StepOnCuda::Answer StepOnCuda::run() {
  const StepState fresh;
  copy_to_device(state_.address(), &fresh, sizeof(fresh));
  if (graph_)
    graph_->launch();
  else
    graph_ = std::make_unique<Graph>([this] { compute(); });
  synchronize();
  return {*static_cast<const StepState*>(pinned_state_.reserve(sizeof(StepState))),
          *static_cast<const float*>(pinned_loss_.reserve(sizeof(float)))};
}

StepOnCuda::Result StepOnCuda::operator()(const Tensor& down, const Tensor& base, const Tensor& gt,
                                          double rate) {
  prepare(down, gt);
  put(pinned_down_, down);
  put(pinned_base_, base);
  put(pinned_gt_, gt);
  *static_cast<AdamStep*>(pinned_step_.reserve(sizeof(AdamStep))) =
      adam_step(adam_.options(), adam_.steps() + 1, rate, average_ ? options_.ema_decay : 0);
  const auto told_run = [&] {
    return telling([&] { return run(); }, "training step with ", down.shape(), " to ", gt.shape());
  };
  Answer answer = told_run();
  while (answer.state.stopped != 0 && std::isfinite(answer.loss) && loss_scale_ > 1) {
    loss_scale_ /= 2;
    graph_.reset();  // it has the factor in it
    answer = told_run();
  }
  const bool finite = answer.state.stopped == 0;
  if (finite) adam_.count_step();
  return {double{answer.loss}, answer.state.norm, finite};
}

}  // namespace sr::cuda
