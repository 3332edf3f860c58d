#include "tensor/ops/reduce.h"

#include "tensor/on_cuda.h"
#include "tensor/ops/channel_sums.h"
#include "tensor/ops/reduce_cuda.h"

namespace sr {
namespace {

ChannelSums channel_sums(const Tensor& x) {
  ChannelSums sums(x.shape(), x.shape().c);
  const float* from = x.data();
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < sums.blocks(); ++block)
    sums.take(block, from + sums.begin(block) * x.pitch(), x.pitch());
  return sums;
}

}  // namespace

Tensor sum_per_channel(const Tensor& x) {
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::sum_per_channel(x);
  }
  return channel_sums(x).tree_total();
}

double sum(const Tensor& x) {
  if constexpr (cuda::kBuilt) {
    if (x.device() == Device::cuda) return cuda::sum(x);
  }
  double total = 0;
  for (const double s : channel_sums(x).total()) total += s;
  return total;
}

}  // namespace sr
