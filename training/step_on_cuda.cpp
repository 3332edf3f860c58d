#include "training/step_on_cuda.h"

#include <cmath>
#include <utility>

#include "autograd/functions.h"
#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/cuda/telling.h"

namespace sr::cuda {
namespace {

float* floats(Tensor& x) {
  return static_cast<float*>(x.address());
}

template <class T>
Tensor device_array(size_t count) {
  return Tensor(Shape{1, 1, 1, static_cast<int64_t>((count * sizeof(T) + 3) / 4)}, DType::f32, Device::cuda);
}

void start_copy(Tensor& to, PinnedMemory& from) {
  const int64_t bytes = 4 * to.shape().size();
  start_copy_to_device(to.address(), from.reserve(bytes), bytes);
}

}  // namespace

StepOnCuda::StepOnCuda(Model& model, Model* average, Adam& adam, LossOf loss_of, const Options& options)
    : model_(model),
      average_(average),
      adam_(adam),
      loss_of_(std::move(loss_of)),
      options_(options),
      loss_factor_(precision() == Precision::fp16 ? options.loss_factor : 0) {
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
  for (Step& step : steps_) {  // which may wait for the device
    step.pinned_factors.reserve(sizeof(AdamStep));
    step.pinned_state.reserve(sizeof(StepState));
  }
  if (options.on_host || options.by_nccl) block_.emplace(*model.params);
  if (options.on_host) on_host_.emplace(*options.on_host);
  if (options.by_nccl) by_nccl_.emplace(*options.by_nccl, *block_);
  forgive();
}

StepOnCuda::~StepOnCuda() {
  try {
    if (by_nccl_ && count_ > 0) options_.by_nccl->give_up();  // others may not come to these steps
    synchronize();                                            // what is under way uses the memory
  } catch (const Error&) {  // told to whoever waited before, or it is too late
  }
}

// Until nothing is under way.
void StepOnCuda::settle() {
  if (by_nccl_)
    by_nccl_->wait();
  else
    synchronize();
}

double StepOnCuda::loss_factor() const {
  return precision() == Precision::fp16 ? loss_factor_ : 0;
}

// Memory for batches of this shape.
void StepOnCuda::prepare(const TrainingBatch& batch) {
  const Shape &down = batch.down.shape(), &gt = batch.gt.shape();
  if (batch_.all && batch_.down.shape() == down && batch_.gt.shape() == gt) return;
  settle();  // what is under way uses the memory that there was
  graph_.reset();
  packed_ = {};  // one image may take other kernels than several
  batch_ = TrainingBatch(down, gt.h / down.h, Device::cuda);
  if (shared()) share_ = static_cast<double>(gt.n) / static_cast<double>(options_.batch_size);
  // A pixel's gradient of the mean error, 1 / size, becomes about 1: the same in all processes.
  const double size = static_cast<double>(gt.size()) / share_;
  if (loss_factor_ == 0)
    loss_factor_ = precision() == Precision::fp16 ? std::exp2(std::floor(std::log2(size))) : 1;
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
    tensors_[i].gradient = static_cast<const float*>(shared() ? block_->gradient(i) : gradient.address());
    table[i] = tensors_[i];
  }
}

// All of a step that the GPU does, from batch_ and step_ to state_; of several processes to the gradients.
void StepOnCuda::compute() {
  const KeepPacked keep(packed_);
  packed_.pack_again();  // those that the first run has met
  const Var loss = loss_of_(add((*model_.network)(Var(batch_.down)), Var(batch_.base)), batch_.gt);
  const auto scale = static_cast<float>(loss_factor_ * share_);
  GatherGradients gathered;
  loss.backward(Tensor::from({1, 1, 1, 1}, {&scale, 1}));
  gathered.finish();
  take_gradients();
  if (shared())
    block_->take(loss.value(), static_cast<float>(share_), *model_.params);
  else
    update(loss.value());
  for (Parameter& p : model_.params->list()) p.var.clear_grad();
}

// From the table's gradients on.
void StepOnCuda::update(const Tensor& loss) {
  start_copy(table_, pinned_table_);
  auto* const state = static_cast<StepState*>(state_.address());
  const AdamTable table{static_cast<const AdamTensor*>(table_.address()), static_cast<int>(tensors_.size()),
                        pieces_};
  gradient_norm(queue(), table, 1 / loss_factor_, options_.clip_norm,
                static_cast<const float*>(loss.address()), state, static_cast<double*>(workspace_.address()));
  adam(queue(), table, adam_.options(), DType::bf16, static_cast<const AdamStep*>(step_.address()), state);
}

// Queues all of a step that can be done before others' gradients are there.
void StepOnCuda::start(Step& step) {
  telling(
      [&] {
        *static_cast<AdamStep*>(step.pinned_factors.reserve(sizeof(AdamStep))) = step.factors;
        start_copy_on_device(batch_.all.address(), step.batch.all.address(), 4 * batch_.all.shape().size());
        start_copy_to_device(step_.address(), step.pinned_factors.reserve(sizeof(AdamStep)),
                             sizeof(AdamStep));
        if (graph_)
          graph_->launch();
        else
          graph_ = std::make_unique<Graph>([this] { compute(); });
        if (by_nccl_) {
          by_nccl_->start(*block_);
          update(block_->loss());
        }
        if (!on_host_) read_state(step);
      },
      "training step with ", batch_.down.shape(), " to ", batch_.gt.shape());
}

void StepOnCuda::read_state(Step& step) {
  start_copy_to_host(step.pinned_state.reserve(sizeof(StepState)), state_.address(), sizeof(StepState));
  step.done.record();
}

StepState StepOnCuda::wait_for(Step& step) {
  telling(
      [&] {
        if (on_host_) {
          on_host_->sum(*block_);
          update(block_->loss());
          read_state(step);
        }
        if (by_nccl_)
          by_nccl_->wait_for(step.done);
        else
          step.done.wait();
      },
      "training step with ", batch_.down.shape(), " to ", batch_.gt.shape());
  return *static_cast<const StepState*>(step.pinned_state.reserve(sizeof(StepState)));
}

// Steps are taken again after one that was not.
void StepOnCuda::forgive() {
  const StepState fresh;
  copy_to_device(state_.address(), &fresh, sizeof(fresh));
}

// A step that was not taken, with half the factor.
StepState StepOnCuda::repeat(Step& step) {
  settle();  // those that were begun after it
  loss_factor_ /= 2;
  graph_.reset();  // it has the factor in it
  forgive();
  start(step);
  return wait_for(step);
}

void StepOnCuda::begin(const TrainingBatch& batch, double rate) {
  if (count_ == kUnderWay) throw Error(Error::Kind::usage, "training: ", count_, " steps are under way");
  prepare(batch);
  if (by_nccl_ && batch.all.device() != Device::cuda) settle();  // its copy would wait without looking out
  Step& step = under_way(count_);
  step.batch = batch.to(Device::cuda);
  step.factors = adam_step(adam_.options(), adam_.steps() + 1 + static_cast<int64_t>(count_), rate,
                           average_ ? options_.ema_decay : 0);
  start(step);
  ++count_;
}

StepOnCuda::Result StepOnCuda::finish() {
  if (count_ == 0) throw Error(Error::Kind::usage, "training: no step is under way");
  Step& step = under_way(0);
  StepState answer = wait_for(step);
  bool repeated = false;
  for (; answer.stopped != 0 && std::isfinite(answer.loss) && loss_factor_ > 1; repeated = true)
    answer = repeat(step);
  const bool finite = answer.stopped == 0;
  if (finite) {
    adam_.count_step();
    if (repeated)
      for (size_t i = 1; i < count_; ++i) start(under_way(i));
    first_ = (first_ + 1) % kUnderWay;
    --count_;
  } else {
    settle();
    forgive();
    count_ = 0;
  }
  return {double{answer.loss}, answer.norm, finite};
}

}  // namespace sr::cuda
