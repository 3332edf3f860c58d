#include "optim/ema.h"

#include <algorithm>

#include "tensor/error.h"

namespace sr {
namespace {

constexpr int64_t kParallelSize = 1 << 14;  // below, waking the threads costs more than they save

}  // namespace

Ema::Ema(const Params& source, Params& average, double decay)
    : source_(source), average_(average), decay_(decay) {
  if (!(decay >= 0 && decay < 1))
    throw Error(Error::Kind::usage, "average of the weights: decay ", decay, "; want 0 to below 1");
  if (source.list().size() != average.list().size())
    throw Error(Error::Kind::usage, "average of the weights: ", source.list().size(), " parameters and ",
                average.list().size(), "; want the same");
  for (size_t i = 0; i < source.list().size(); ++i)
    average.list()[i].var.set_value(source.list()[i].var.value().clone());
}

void Ema::update(int64_t updates_before) {
  const auto t = static_cast<double>(updates_before);
  const auto keep = static_cast<float>(std::min(decay_, (1 + t) / (10 + t)));
  for (size_t i = 0; i < source_.list().size(); ++i) {
    const float* from = source_.list()[i].var.value().data();
    Tensor to = average_.list()[i].var.value();  // the same memory
    float* average = to.data();
    const int64_t size = to.shape().size();
#pragma omp parallel for simd schedule(static) if (size >= kParallelSize)
    for (int64_t k = 0; k < size; ++k) average[k] = keep * average[k] + (1 - keep) * from[k];
  }
}

}  // namespace sr
