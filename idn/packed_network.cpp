#include "idn/packed_network.h"

#include <algorithm>

namespace sr {
namespace {

// Whether the kept weights are those of the parameters; if not, now they are.
bool keep(std::vector<float>& kept, const Params& params) {
  bool same = true;
  size_t at = 0;
  for (const Parameter& p : params.list()) {
    const Tensor& value = p.var.value();
    const auto count = static_cast<size_t>(value.shape().size());
    same =
        same && at + count <= kept.size() && std::equal(value.data(), value.data() + count, kept.data() + at);
    at += count;
  }
  if (same && at == kept.size()) return true;
  kept.clear();
  for (const Parameter& p : params.list()) {
    const Tensor& value = p.var.value();
    kept.insert(kept.end(), value.data(), value.data() + value.shape().size());
  }
  return false;
}

}  // namespace

std::shared_ptr<const bands::Network> PackedNetwork::of(const Network& network, const Params& params) {
  const std::lock_guard lock(mutex_);
  const bands::Kernels& kernels = bands::kernels(bands::precision());
  const bool same = keep(weights_, params);
  if (!same || !packed_ || &packed_->kernels() != &kernels)
    packed_ = std::make_shared<bands::Network>(network.program(), kernels);
  return packed_;
}

}  // namespace sr
