#include "training/trainer.h"

#include <cmath>

#include "autograd/functions.h"
#include "io/json_text.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/image_tree.h"
#include "tensor/on_cuda.h"
#include "training/step_on_cuda.h"

namespace sr {
namespace {

using nlohmann::json;

constexpr const char* kRawPrefix = "training/weight/";
constexpr const char* kMomentPrefix = "training/adam/";

// A second model with the same options and image model; its weights are set by the caller.
std::unique_ptr<Model> twin(const Model& model) {
  return std::make_unique<Model>(Model::from_checkpoint(model.to_checkpoint(), "the model"));
}

// What makes up the loss, each a mean over `batch` images (0: the result's).
struct LossTerms {
  Var first, angle;
};

LossTerms loss_terms(const TrainerOptions& o, const Var& result, const Tensor& gt, int64_t batch = 0) {
  LossTerms terms;
  terms.first = o.loss == Loss::l2     ? l2_loss(result, gt, batch)
                : o.loss == Loss::ssim ? ssim_loss(result, gt, 1, batch)
                                       : l1_loss(result, gt, batch);
  if (o.spectral_angle != 0) terms.angle = spectral_angle_loss(result, gt, 1, batch);
  return terms;
}

Var loss_of(const TrainerOptions& o, const LossTerms& terms) {
  return terms.angle ? add(terms.first, scale(terms.angle, static_cast<float>(o.spectral_angle)))
                     : terms.first;
}

Var result_of(const Model& model, const TrainingBatch& batch) {
  return add((*model.network)(Var(batch.down)), Var(batch.base));
}

Tensor one() {
  const float value = 1;
  return Tensor::from({1, 1, 1, 1}, {&value, 1});
}

void set_values(Params& params, const std::map<std::string, Tensor>& values, const std::string& name) {
  for (Parameter& p : params.list()) {
    const auto entry = values.find(p.name);
    if (entry == values.end() || !(entry->second.shape() == p.var.shape()))
      throw Error(Error::Kind::format, name, ": the training's state of ", p.name,
                  " is missing; train anew, or start from its weights with --start_from");
    p.var.set_value(entry->second.clone());
  }
}

double loss_factor_in(const json& state, const std::string& name) {
  const double factor = state.value("loss_factor", 0.0);
  int exponent = 0;
  if (factor != 0 && !(factor >= 1 && std::frexp(factor, &exponent) == 0.5))
    throw Error(Error::Kind::format, name, ": its loss_factor is ", factor, " and no power of two");
  return factor;
}

std::string place_of_gpu() {
  if constexpr (cuda::kBuilt) return cuda::device_properties(cuda::device_index()).bus;
  return "";
}

}  // namespace

const char* name_of(Loss loss) {
  constexpr const char* kNames[] = {"l1", "l2", "ssim"};
  return kNames[static_cast<int>(loss)];
}

Trainer::Trainer(Model model, const TrainerOptions& options)
    : options_(options), model_(std::make_unique<Model>(std::move(model))) {
  model_->to(options.device);
  adam_ = std::make_unique<Adam>(*model_->params, options.adam);
  if (options.ema_decay > 0) {
    average_ = twin(*model_);
    average_->to(options.device);
    ema_.emplace(*model_->params, *average_->params, options.ema_decay);
  }
}

Trainer::Trainer(Trainer&&) = default;
Trainer::~Trainer() = default;

void Trainer::begin(const TrainingBatch& batch, double progress) {
  if (under_way() > ahead())
    throw Error(Error::Kind::usage, "training: ", under_way(), " steps are under way");
  Begun step{batch, learning_rate(options_.schedule, steps() + under_way(), progress)};
  if (options_.device == Device::cuda) begin_on_cuda(step);
  begun_.push_back(std::move(step));
}

StepResult Trainer::finish() {
  if (begun_.empty()) throw Error(Error::Kind::usage, "training: no step is under way");
  const Begun step = std::move(begun_.front());
  begun_.pop_front();
  const StepResult result = options_.device == Device::cuda ? finish_on_cuda(step) : step_on_cpu(step);
  if (std::isfinite(result.loss) && std::isfinite(result.gradient_norm)) return result;
  begun_.clear();
  throw Error(Error::Kind::limit, "training: at step ", steps(), " the loss is ", result.loss,
              " and its gradient's norm ", result.gradient_norm,
              "; use a smaller --learning_rate, --warmup_steps or --clip_norm");
}

void Trainer::begin_on_cuda(const Begun& step) {
  if constexpr (cuda::kBuilt) {
    if (!on_cuda_)  // only now are weights and moments where they stay
      on_cuda_ = std::make_shared<cuda::StepOnCuda>(
          *model_, average_.get(), *adam_,
          [o = options_](const Var& result, const Tensor& gt) {
            return loss_of(o, loss_terms(o, result, gt));
          },
          cuda::StepOnCuda::Options{options_.clip_norm, options_.ema_decay, options_.rate_multipliers,
                                    sum_.get(), nccl_.get(), batch_size_, loss_factor_});
    on_cuda_->begin(step.batch, step.rate);
  }
}

StepResult Trainer::finish_on_cuda(const Begun& step) {
  if constexpr (cuda::kBuilt) {
    const cuda::StepOnCuda::Result r = on_cuda_->finish();
    return {r.loss, r.gradient_norm, step.rate};
  }
  return {};
}

double Trainer::loss_factor() const {
  if constexpr (cuda::kBuilt)
    if (on_cuda_) return on_cuda_->loss_factor();
  return loss_factor_;
}

std::string Trainer::share_steps(Ranks& ranks, int64_t batch_size) {
  images_of_rank(batch_size, ranks.rank(), ranks.size());  // or there are too many
  batch_size_ = batch_size;
  if (options_.device != Device::cuda) {
    sum_ = std::make_unique<GradientSum>(ranks, batch_size);
    return "";
  }
  const std::string why = ranks.alone() ? "there is one process" : why_not_nccl(ranks, place_of_gpu());
  if (why.empty()) {
    nccl_ = std::make_unique<NcclRanks>(ranks);
    return "gradients go from GPU to GPU by NCCL " + nccl::description();
  }
  // A GPU sums its images in an order of its own: each process is a leaf then.
  sum_ = std::make_unique<GradientSum>(ranks, kImagesOfALeaf * ranks.size());
  return "gradients go through the hosts' memory: " + why;
}

// Leaves the parameters' gradients; returns the loss.
double Trainer::gradients(const TrainingBatch& batch) {
  const Var loss = loss_of(options_, loss_terms(options_, result_of(*model_, batch), batch.gt));
  loss.backward(one());
  return double{loss.value().data()[0]};
}

// The same of the whole batch, of which this is a part: to the bit what gradients() makes of it.
double Trainer::shared_gradients(const TrainingBatch& batch) {
  std::optional<MergedAsLeaves> merged;  // weights of the last node
  const int64_t first = sum_->nodes()[0].begin;
  for (const Images& node : sum_->nodes()) {
    const TrainingBatch part = batch.images(node.begin - first, node.end - first);
    merged.emplace();
    const LossTerms terms = loss_terms(options_, result_of(*model_, part), part.gt, batch_size_);
    sum_->begin_node({terms.first.value().data()[0], terms.angle ? terms.angle.value().data()[0] : 0});
    loss_of(options_, terms).backward(one(), [&](Var leaf) { sum_->give(std::move(leaf)); });
  }
  const std::vector<float> sums = sum_->finish();
  merged->backward();
  const auto weight = static_cast<float>(options_.spectral_angle);
  return double{weight == 0 ? sums[0] : sums[0] + weight * sums[1]};
}

StepResult Trainer::step_on_cpu(const Begun& step) {
  StepResult result;
  result.rate = step.rate;
  result.loss = sum_ ? shared_gradients(step.batch) : gradients(step.batch);
  result.gradient_norm = gradient_norm(*model_->params);
  if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) {
    for (Parameter& p : model_->params->list()) p.var.clear_grad();
    return result;
  }
  const double longest = options_.clip_norm;
  const bool clip = longest > 0 && result.gradient_norm > longest;
  adam_->step(step.rate, clip ? longest / result.gradient_norm : 1, options_.rate_multipliers);
  if (ema_) ema_->update(steps() - 1);
  return result;
}

Checkpoint Trainer::checkpoint() const {
  if (under_way() > 0) throw Error(Error::Kind::usage, "training: a checkpoint while a step is under way");
  Checkpoint checkpoint = model().to_checkpoint();
  json meta = json::parse(checkpoint.meta);
  meta["training"] = {{"steps", steps()}, {"has_average", average_ != nullptr}};
  if (const double factor = loss_factor(); factor != 0) meta["training"]["loss_factor"] = factor;
  checkpoint.meta = meta.dump();
  if (average_)
    for (const Parameter& p : model_->params->list())
      checkpoint.tensors.emplace_back(kRawPrefix + p.name, p.var.value().to(Device::cpu));
  for (const auto& [name, tensor] : adam_->moments())
    checkpoint.tensors.emplace_back(kMomentPrefix + name, tensor.to(Device::cpu));
  return checkpoint;
}

void save_training(const std::string& path, Checkpoint checkpoint, const std::string& notes) {
  json meta = json::parse(checkpoint.meta);
  meta["training"]["notes"] = json::parse(notes);
  checkpoint.meta = meta.dump();
  save_checkpoint(path, checkpoint);
}

Trainer Trainer::restore(const std::string& path, const TrainerOptions& options, std::string& notes) {
  const Checkpoint checkpoint = load_checkpoint(path);
  Model used = Model::from_checkpoint(checkpoint, path);
  notes.clear();
  const json meta = json::parse(checkpoint.meta);
  if (!meta.contains("training")) return Trainer(std::move(used), options);
  std::map<std::string, Tensor> raw;
  std::vector<std::pair<std::string, Tensor>> moments;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (name.starts_with(kRawPrefix)) raw.emplace(name.substr(std::string(kRawPrefix).size()), tensor);
    if (name.starts_with(kMomentPrefix))
      moments.emplace_back(name.substr(std::string(kMomentPrefix).size()), tensor);
  }
  try {
    const json& state = meta.at("training");
    const auto steps = state.at("steps").get<int64_t>();
    if (steps < 0) throw Error(Error::Kind::format, path, ": its number of steps is ", steps);
    const bool has_average = state.at("has_average").get<bool>();
    std::unique_ptr<Model> average = has_average ? twin(used) : nullptr;
    if (has_average) set_values(*used.params, raw, path);
    Trainer trainer(std::move(used), options);
    if (trainer.average_ && average)
      for (size_t i = 0; i < average->params->list().size(); ++i)
        trainer.average_->params->list()[i].var.set_value(
            average->params->list()[i].var.value().to(options.device));
    trainer.adam_->restore(moments, steps);
    trainer.loss_factor_ = loss_factor_in(state, path);
    notes = state.at("notes").dump();
    return trainer;
  } catch (const json::exception&) {
    throw Error(
        Error::Kind::format, path,
        ": the training's state cannot be read; train anew, or start from its weights with --start_from");
  } catch (const Error& e) {
    throw Error(e.kind(), path, ": ", e.what());
  }
}

int64_t take_weights(Model& to, const Model& from) {
  int64_t taken = 0;
  for (Parameter& p : to.params->list()) {
    if (to.factor() != from.factor() && p.name.starts_with("upsample.")) continue;
    for (const Parameter& q : from.params->list()) {
      if (q.name != p.name || !(q.var.shape() == p.var.shape())) continue;
      p.var.set_value(q.var.value().clone());
      ++taken;
    }
  }
  return taken;
}

std::string to_text(const TrainingNotes& notes) {
  return json{{"best_psnr", notes.best_psnr},
              {"judged_on", notes.judged_on},
              {"batch_size", notes.batch_size},
              {"patch_size", notes.patch_size}}
      .dump();
}

TrainingNotes notes_in(const std::string& text) {
  TrainingNotes notes;
  if (text.empty()) return notes;
  const json j = json::parse(text);
  notes.best_psnr = j.value("best_psnr", notes.best_psnr);
  notes.judged_on = j.value("judged_on", notes.judged_on);
  notes.batch_size = j.value("batch_size", notes.batch_size);
  notes.patch_size = j.value("patch_size", notes.patch_size);
  return notes;
}

}  // namespace sr
