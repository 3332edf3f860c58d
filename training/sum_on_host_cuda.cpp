#include "training/sum_on_host_cuda.h"

#include <algorithm>

namespace sr::cuda {
namespace {

constexpr int64_t kAligned = 4;     // numbers
constexpr size_t kPiece = 1 << 16;  // numbers: other pieces are added while one is on its way

int64_t bytes_of(int64_t numbers) {
  return numbers * static_cast<int64_t>(sizeof(float));
}

}  // namespace

SumOnHost::SumOnHost(GradientSum& sum, const Params& params) : sum_(sum), places_{kAligned} {
  for (const Parameter& p : params.list())
    places_.push_back(places_.back() + (p.var.shape().size() + kAligned - 1) / kAligned * kAligned);
  std::ranges::fill(numbers(), 0.0f);  // gaps
  sums_ = Tensor({1, 1, 1, places_.back()}, DType::f32, Device::cuda);
  loss_ = sums_.part(0, {1, 1, 1, 1});
}

std::span<float> SumOnHost::numbers() {
  return {static_cast<float*>(pinned_.reserve(bytes_of(places_.back()))),
          static_cast<size_t>(places_.back())};
}

const float* SumOnHost::gradient(size_t i) const {
  return static_cast<const float*>(sums_.address()) + places_[i];
}

void SumOnHost::start_copy_to_host(const Tensor& loss, const Params& params) {
  float* const to = numbers().data();
  cuda::start_copy_to_host(to, loss.address(), bytes_of(1));
  for (size_t i = 0; i < params.list().size(); ++i) {
    const Tensor& gradient = params.list()[i].var.grad();
    cuda::start_copy_to_host(to + places_[i], gradient.address(), bytes_of(gradient.shape().size()));
  }
}

const Tensor& SumOnHost::exchange(double share) {
  synchronize();
  const std::span<float> all = numbers();
  all[0] = static_cast<float>(share * double{all[0]});
  sum_.begin_node({});
  for (size_t begin = 0; begin < all.size(); begin += kPiece)
    sum_.give(all.subspan(begin, std::min(kPiece, all.size() - begin)));
  sum_.finish();
  start_copy_to_device(sums_.address(), all.data(), bytes_of(places_.back()));
  return loss_;
}

}  // namespace sr::cuda
