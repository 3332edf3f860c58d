// The trainable variables of a network, by name.
#pragma once

#include <string>
#include <vector>

#include "autograd/var.h"
#include "tensor/random.h"

namespace sr {

/// A trainable variable, and what optimizers need to know of it.
struct Parameter {
  std::string name;    ///< "blocks.0.compress.weight": mirrors the structure of the layers
  Var var;             ///< a leaf that needs its gradient
  float rate = 1;      ///< multiplier of the learning rate
  bool decays = true;  ///< takes part in weight decay
};

class ParamScope;

/// Owns the ordered list that optimizer, checkpoint and count read. Creating a parameter is registering it.
class Params {
 public:
  /// Initial values are drawn from `seed` in the order of creation.
  explicit Params(uint64_t seed = 1) : random_{seed} {}
  Params(const Params&) = delete;  // layers hold scopes that point here while they are built
  Params& operator=(const Params&) = delete;

  ParamScope scope();                                           ///< the outermost place, without a name
  const std::vector<Parameter>& list() const { return list_; }  ///< in the order of creation
  std::vector<Parameter>& list() { return list_; }              ///< the same
  /// Number of trainable values.
  int64_t count() const;
  /// Moves all values to `device`, that of the calling thread. Errors: device, limit.
  void to(Device device);

 private:
  friend class ParamScope;
  std::vector<Parameter> list_;
  Random random_;
};

/// A place in the structure where a layer creates its parameters.
class ParamScope {
 public:
  /// Names in it begin with `prefix`; Params::scope() and sub() make them.
  ParamScope(Params& params, std::string prefix) : params_(&params), prefix_(std::move(prefix)) {}

  /// The place of a part with that name.
  ParamScope sub(const std::string& name) const { return {*params_, prefix_ + name + '.'}; }

  /// A new parameter with normal values of this standard deviation (0 = zeros).
  /// Errors: usage (the name exists).
  Var create(const std::string& name, Shape shape, double deviation, float rate = 1) const;
  /// A bias of `channels` zeros, at a tenth of the rate and without weight decay.
  Var create_bias(const std::string& name, int64_t channels) const;

 private:
  Var add(const std::string& name, Shape shape, double deviation, float rate, bool decays) const;

  Params* params_;
  std::string prefix_;
};

}  // namespace sr
