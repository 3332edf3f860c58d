#include "tensor/bands/program.h"

#include <utility>

#include "tensor/conv2d/conv2d.h"
#include "tensor/error.h"

namespace sr::bands {
namespace {

void check_convolution(const Rows& x, const Tensor& weight, int64_t groups) {
  const Shape& w = weight.shape();
  if (w.h != w.w || w.h % 2 == 0)
    throw Error(Error::Kind::unsupported, "bands: a kernel of ", w, "; want a square one with odd sides");
  if (groups < 1 || w.c * groups != x.channels || w.n % groups != 0)
    throw Error(Error::Kind::shape, "bands: weight ", w, " in ", groups, " groups for ", x.channels,
                " channels");
}

Stage convolution_stage(const Rows& x, const Tensor& weight, const Tensor& bias, float leak, int64_t groups) {
  check_convolution(x, weight, groups);
  Stage stage;
  stage.weight = weight, stage.bias = bias, stage.leak = leak, stage.groups = groups, stage.from = x;
  stage.before = stage.after = weight.shape().h / 2;
  return stage;
}

}  // namespace

Rows Program::rows(int64_t channels) {
  channels_.push_back(channels);
  return {static_cast<int>(channels_.size()) - 1, channels};
}

Rows Program::image(int64_t channels) {
  return rows(channels);
}

Rows Program::convolution(const Rows& x, const Tensor& weight, const Tensor& bias, float leak,
                          int64_t groups) {
  Stage stage = convolution_stage(x, weight, bias, leak, groups);
  stage.to = {rows(weight.shape().n)};
  stages_.push_back(std::move(stage));
  return stages_.back().to[0];
}

std::array<Rows, 2> Program::convolution(const Rows& x, const Tensor& weight, const Tensor& bias, float leak,
                                         int64_t groups, int64_t split) {
  Stage stage = convolution_stage(x, weight, bias, leak, groups);
  const Rows first = rows(split), second = rows(weight.shape().n - split);
  stage.to = {first, second};
  stages_.push_back(std::move(stage));
  return {first, second};
}

Rows Program::convolution_then_pointwise(const Rows& x, const Tensor& weight, const Tensor& bias, float leak,
                                         std::vector<Rows> added, const Tensor& pointwise_weight,
                                         const Tensor& pointwise_bias, float pointwise_leak) {
  Stage stage = convolution_stage(x, weight, bias, leak, 1);
  int64_t channels = 0;
  for (const Rows& a : added) channels += a.channels;
  if (channels != weight.shape().n || added.size() > 2 || pointwise_weight.shape().c != channels)
    throw Error(Error::Kind::shape, "bands: ", channels, " added channels and a 1x1 convolution of ",
                pointwise_weight.shape(), " after one of ", weight.shape());
  stage.added = std::move(added);
  stage.pointwise_weight = pointwise_weight, stage.pointwise_bias = pointwise_bias;
  stage.pointwise_leak = pointwise_leak;
  stage.to = {rows(pointwise_weight.shape().n)};
  stages_.push_back(std::move(stage));
  return stages_.back().to[0];
}

Rows Program::convolution_silu(const Rows& x, const Tensor& weight, const Tensor& bias) {
  const Rows to = convolution(x, weight, bias, 1);
  stages_.back().activation = Activation::silu;
  return to;
}

Rows Program::convolution_gate(const Rows& x, const Tensor& weight, const Tensor& bias, const Rows& added) {
  if (added.channels != weight.shape().n)
    throw Error(Error::Kind::shape, "bands: a gate for ", added.channels, " channels of ", weight.shape());
  const Rows to = convolution(x, weight, bias, 1);
  stages_.back().activation = Activation::gate;
  stages_.back().added = {added};
  return to;
}

Rows Program::convolution_joined(const Rows& x, const Tensor& weight, const Tensor& bias,
                                 std::vector<Rows> joined, const Tensor& pointwise_weight,
                                 const Tensor& pointwise_bias) {
  int64_t channels = weight.shape().n;
  for (const Rows& rows : joined) channels += rows.channels;
  if (joined.size() > kMostAdded || pointwise_weight.shape().c != channels)
    throw Error(Error::Kind::shape, "bands: ", channels, " joined channels and a 1x1 convolution of ",
                pointwise_weight.shape());
  Stage stage = convolution_stage(x, weight, bias, 1, 1);
  stage.added = std::move(joined), stage.joins = true;
  stage.pointwise_weight = pointwise_weight, stage.pointwise_bias = pointwise_bias;
  stage.to = {rows(pointwise_weight.shape().n)};
  stages_.push_back(std::move(stage));
  return stages_.back().to[0];
}

void Program::upsampling(const Rows& x, const Tensor& weight, const Tensor& bias, int64_t stride,
                         int64_t crop) {
  Stage stage;
  stage.kind = Stage::Kind::upsampling;
  stage.weight = weight, stage.bias = bias, stage.from = x, stage.stride = stride, stage.crop = crop;
  const TransposedTaps taps = transposed_taps(weight.shape().h, stride, crop);
  stage.before = taps.before, stage.after = taps.after;
  stages_.push_back(std::move(stage));
}

}  // namespace sr::bands
