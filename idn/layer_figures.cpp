#include "idn/layer_figures.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <optional>

#include "idn/stage_by_stage.h"
#include "tensor/bands/network.h"
#include "tensor/cuda/device.h"
#include "tensor/on_cuda.h"
#include "tensor/random.h"

namespace sr {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// "blocks.0.conv1" of blocks.0.conv1.weight; a weight that is made of several parameters has no name.
std::string name_of(const Params& params, const Tensor& weight) {
  constexpr std::string_view kEnd = ".weight";
  for (const Parameter& p : params.list())
    if (p.var.value().address() == weight.address()) return p.name.substr(0, p.name.size() - kEnd.size());
  return "";
}

std::string joined(const std::string& first, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + " + " + second;
}

std::string size_of(const Tensor& weight) {
  return std::to_string(weight.shape().h) + "x" + std::to_string(weight.shape().w);
}

std::string what_of(const bands::Stage& stage) {
  using enum bands::Stage::Kind;
  const Shape& w = stage.weight.shape();
  if (stage.kind == upsampling)
    return size_of(stage.weight) + " transposed, " + std::to_string(w.n) + " to " + std::to_string(w.c) +
           ", stride " + std::to_string(stage.stride);
  std::string text =
      size_of(stage.weight) + ", " + std::to_string(w.c * stage.groups) + " to " + std::to_string(w.n);
  if (stage.groups > 1) text += " in " + std::to_string(stage.groups) + " groups";
  if (stage.activation == bands::Activation::silu) text += ", SiLU";
  if (stage.activation == bands::Activation::gate) text += ", gate";
  if (stage.pointwise_weight) text += ", 1x1 to " + std::to_string(stage.outputs());
  return text;
}

int64_t size_or_none(const Tensor& x) {
  return x ? x.shape().size() : 0;
}

// Of an upsampling as well: every tap of every input pixel lands on one output pixel, but for the cropped.
int64_t multiply_adds_of(const bands::Stage& stage) {
  return stage.weight.shape().size() + size_or_none(stage.pointwise_weight);
}

// Of each Rows of the program, by index.
class Reaches {
 public:
  explicit Reaches(const bands::Program& program) : of_(program.channels().size()) {}

  Reach after(const bands::Stage& stage) {
    Reach reach = at(stage.from) + Reach{stage.before, stage.after};
    for (const bands::Rows& added : stage.added) reach = reach | at(added);
    for (const bands::Rows& to : stage.to) at(to) = reach;
    return reach;
  }

 private:
  Reach& at(const bands::Rows& rows) { return of_[static_cast<size_t>(rows.index)]; }

  std::vector<Reach> of_;
};

Tensor random_image(const Model& model, int64_t width, int64_t height) {
  Random random{1};
  return random_normal({1, height, width, model.nchan()}, 0.1, random);
}

LayerTimes pass_on_processor(const bands::Network& network, const Tensor& image) {
  LayerTimes times;
  const Clock::time_point start = Clock::now();
  network.run(image, {}, &times.layers);
  times.pass = seconds_since(start);
  for (double& seconds : times.layers) seconds /= omp_get_max_threads();
  return times;
}

LayerTimes pass_on_gpu(const bands::Program& program, const Tensor& image) {
  LayerTimes times;
  if constexpr (cuda::kBuilt) {
    StageByStage stages(program, image);
    while (!stages.done()) {
      cuda::synchronize();
      const Clock::time_point start = Clock::now();
      stages.run_next();
      cuda::synchronize();
      times.layers.push_back(seconds_since(start));
    }
    times.pass = std::accumulate(times.layers.begin(), times.layers.end(), 0.0);
  }
  return times;
}

}  // namespace

std::vector<LayerFigures> layer_figures(const Model& model) {
  const bands::Program program = model.network->program();
  Reaches reaches(program);
  std::vector<LayerFigures> all;
  for (const bands::Stage& stage : program.stages()) {
    LayerFigures figures;
    figures.name = name_of(*model.params, stage.weight);
    if (stage.pointwise_weight)
      figures.name = joined(figures.name, name_of(*model.params, stage.pointwise_weight));
    figures.what = what_of(stage);
    figures.weights = stage.weight.shape().size() + size_or_none(stage.bias) +
                      size_or_none(stage.pointwise_weight) + size_or_none(stage.pointwise_bias);
    figures.multiply_adds = multiply_adds_of(stage);
    figures.reach = reaches.after(stage);
    all.push_back(figures);
  }
  return all;
}

LayerTimes layer_times(const Model& model, int64_t width, int64_t height, int rounds) {
  const NoGrad no_grad;
  const bool on_gpu = model.device() == Device::cuda;
  const bands::Program program = model.network->program();
  const Tensor image = random_image(model, width, height).to(model.device());
  std::optional<bands::Network> packed;
  if (!on_gpu) packed.emplace(program, bands::kernels(bands::precision()));
  LayerTimes best{std::numeric_limits<double>::infinity(), {}};
  for (int round = 0; round < rounds; ++round) {
    LayerTimes times = on_gpu ? pass_on_gpu(program, image) : pass_on_processor(*packed, image);
    if (times.pass < best.pass) best = std::move(times);
  }
  return best;
}

}  // namespace sr
