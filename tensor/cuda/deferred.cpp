#include "tensor/cuda/deferred.h"

#include <algorithm>
#include <ranges>
#include <vector>

#include "tensor/on_cuda.h"

namespace sr::cuda {
namespace {

thread_local std::vector<Deferred*> lists;

}  // namespace

Deferred::Deferred() {
  lists.push_back(this);
}

Deferred::~Deferred() {
  std::erase(lists, this);
}

void Deferred::finish_all() {
  for (Deferred* list : std::views::reverse(lists)) list->finish();
}

bool lies_in(const Tensor& x, const Tensor& whole) {
  const auto* const at = static_cast<const char*>(x.address());
  const auto* const begin = static_cast<const char*>(whole.address());
  return begin <= at && at < begin + 4 * whole.shape().size();
}

void finish_if_waiting(const Tensor& x) {
  if (x && std::ranges::any_of(lists, [&](const Deferred* list) { return list->has(x); }))
    Deferred::finish_all();
}

}  // namespace sr::cuda
