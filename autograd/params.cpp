#include "autograd/params.h"

#include "tensor/error.h"

namespace sr {

ParamScope Params::scope() {
  return {*this, ""};
}

int64_t Params::count() const {
  int64_t total = 0;
  for (const Parameter& p : list_) total += p.var.shape().size();
  return total;
}

void Params::to(Device device) {
  for (Parameter& p : list_) p.var.set_value(p.var.value().to(device));
}

Var ParamScope::create(const std::string& name, Shape shape, double deviation, float rate) const {
  return add(name, shape, deviation, rate, true);
}

Var ParamScope::create_bias(const std::string& name, int64_t channels) const {
  return add(name, {1, 1, 1, channels}, 0, 0.1f, false);
}

Var ParamScope::add(const std::string& name, Shape shape, double deviation, float rate, bool decays) const {
  const std::string full = prefix_ + name;
  for (const Parameter& p : params_->list_)
    if (p.name == full) throw Error(Error::Kind::usage, "parameter ", full, ": the name is taken");
  Tensor value = deviation == 0 ? Tensor::zeros(shape) : random_normal(shape, deviation, params_->random_);
  params_->list_.push_back({full, Var(std::move(value), true), rate, decays});
  return params_->list_.back().var;
}

}  // namespace sr
