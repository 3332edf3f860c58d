#include "optim/adam.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kParallelSize = 1 << 14;  // below, waking the threads costs more than they save

struct StepFactors {
  float beta1, beta2, gradient_scale, decay_in_gradient, decay_of_weight, rate, root_correction, epsilon;
};

void update(Tensor& weight, Tensor& m, Tensor& v, const Tensor& gradient, const StepFactors& f) {
  float* w = weight.data();
  float* first = m.data();
  float* second = v.data();
  const float* g = gradient.data();
  const int64_t size = weight.shape().size();
#pragma omp parallel for simd schedule(static) if (size >= kParallelSize)
  for (int64_t i = 0; i < size; ++i) {
    const float d = f.gradient_scale * g[i] + f.decay_in_gradient * w[i];
    first[i] = f.beta1 * first[i] + (1 - f.beta1) * d;
    second[i] = f.beta2 * second[i] + (1 - f.beta2) * d * d;
    w[i] -=
        f.decay_of_weight * w[i] + f.rate * first[i] / (std::sqrt(second[i]) * f.root_correction + f.epsilon);
  }
}

const AdamOptions& checked(const AdamOptions& o) {
  if (!(o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.epsilon > 0 && o.weight_decay >= 0))
    throw Error(Error::Kind::usage, "Adam: beta ", o.beta1, " and ", o.beta2, ", epsilon ", o.epsilon,
                ", weight_decay ", o.weight_decay, "; want betas of 0 to below 1, the others not negative");
  return o;
}

}  // namespace

Adam::Adam(Params& params, const AdamOptions& options) : params_(params), options_(checked(options)) {
  for (const Parameter& p : params.list()) {
    m_.push_back(Tensor::zeros(p.var.shape(), p.var.value().device()));
    v_.push_back(Tensor::zeros(p.var.shape(), p.var.value().device()));
  }
}

void Adam::step(double rate, double gradient_scale, bool use_multipliers) {
  ++steps_;
  const double t = static_cast<double>(steps_);
  const double first_correction = 1 - std::pow(options_.beta1, t);
  const double second_correction = 1 - std::pow(options_.beta2, t);
  for (size_t i = 0; i < m_.size(); ++i) {
    Parameter& p = params_.list()[i];
    if (!p.var.grad()) continue;
    const double own_rate = rate * (use_multipliers ? double{p.rate} : 1.0);
    const double decay = p.decays ? options_.weight_decay : 0;
    Tensor weight = p.var.value();  // the same memory
    const Tensor gradient = p.var.grad().is_contiguous() ? p.var.grad() : p.var.grad().clone();
    update(weight, m_[i], v_[i], gradient,
           {.beta1 = static_cast<float>(options_.beta1),
            .beta2 = static_cast<float>(options_.beta2),
            .gradient_scale = static_cast<float>(gradient_scale),
            .decay_in_gradient = static_cast<float>(options_.decoupled ? 0 : decay),
            .decay_of_weight = static_cast<float>(options_.decoupled ? own_rate * decay : 0),
            .rate = static_cast<float>(own_rate / first_correction),
            .root_correction = static_cast<float>(1 / std::sqrt(second_correction)),
            .epsilon = static_cast<float>(options_.epsilon)});
    p.var.clear_grad();
  }
}

std::vector<std::pair<std::string, Tensor>> Adam::moments() const {
  std::vector<std::pair<std::string, Tensor>> all;
  for (size_t i = 0; i < m_.size(); ++i) {
    all.emplace_back("m/" + params_.list()[i].name, m_[i]);
    all.emplace_back("v/" + params_.list()[i].name, v_[i]);
  }
  return all;
}

void Adam::restore(const std::vector<std::pair<std::string, Tensor>>& moments, int64_t steps) {
  const auto found = [&](const std::string& name, const Shape& shape) {
    const auto entry =
        std::find_if(moments.begin(), moments.end(), [&](const auto& pair) { return pair.first == name; });
    if (entry == moments.end())
      throw Error(Error::Kind::format, "the optimizer's state: ", name, " is missing");
    if (!(entry->second.shape() == shape))
      throw Error(Error::Kind::format, "the optimizer's state: ", name, " is ", entry->second.shape(),
                  ", want ", shape);
    return entry->second.clone();
  };
  std::vector<Tensor> m, v;
  for (const Parameter& p : params_.list()) {
    const Device device = p.var.value().device();
    m.push_back(found("m/" + p.name, p.var.shape()).to(device));
    v.push_back(found("v/" + p.name, p.var.shape()).to(device));
  }
  m_ = std::move(m), v_ = std::move(v), steps_ = steps;
}

double gradient_norm(const Params& params) {
  double total = 0;
  for (const Parameter& p : params.list()) {
    if (!p.var.grad()) continue;
    const Tensor gradient = p.var.grad().is_contiguous() ? p.var.grad() : p.var.grad().clone();
    constexpr int64_t kLanes = 16;  // partial sums that the compiler can keep side by side
    double sums[kLanes] = {};
    const float* g = gradient.data();
    const int64_t size = gradient.shape().size(), whole = size / kLanes * kLanes;
    for (int64_t i = 0; i < whole; i += kLanes)
      for (int64_t k = 0; k < kLanes; ++k) sums[k] += double{g[i + k]} * double{g[i + k]};
    for (int64_t i = whole; i < size; ++i) sums[0] += double{g[i]} * double{g[i]};
    for (const double sum : sums) total += sum;
  }
  return std::sqrt(total);
}

}  // namespace sr
