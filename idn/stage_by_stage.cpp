#include "idn/stage_by_stage.h"

#include "tensor/conv2d/conv2d.h"
#include "tensor/ops/activations.h"

namespace sr {

namespace {

// The 1x1 convolution of y and what is joined to it.
Tensor joined(const bands::Stage& stage, Tensor y, const std::vector<Tensor>& others) {
  const Conv2dOptions options{.leak = stage.pointwise_leak};
  int64_t begin = y.shape().c;
  Tensor sum = conv2d(y, stage.pointwise_weight.channels(0, begin), stage.pointwise_bias, options);
  for (const Tensor& x : others) {
    const int64_t end = begin + x.shape().c;
    sum = conv2d(x, stage.pointwise_weight.channels(begin, end), {}, options, {sum});
    begin = end;
  }
  return sum;
}

Tensor result_of(const bands::Stage& stage, const Tensor& x, const std::vector<Tensor>& added,
                 const Conv2dOptions& options) {
  if (stage.activation == bands::Activation::silu) return silu(conv2d(x, stage.weight, stage.bias, options));
  if (stage.activation == bands::Activation::gate)
    return gate(conv2d(x, stage.weight, stage.bias, options), added[0]);
  if (stage.joins) return joined(stage, conv2d(x, stage.weight, stage.bias, options), added);
  if (stage.pointwise_weight)
    return conv2d_then_conv2d(x, stage.weight, stage.bias, options, added, stage.pointwise_weight,
                              stage.pointwise_bias, {.leak = stage.pointwise_leak});
  return conv2d(x, stage.weight, stage.bias, options, added);
}

}  // namespace

StageByStage::StageByStage(const bands::Program& program, const Tensor& image)
    : program_(program), rows_(program.channels().size()) {
  rows_[0] = image;
}

void StageByStage::run_next() {
  const bands::Stage& stage = program_.stages()[next_++];
  const Tensor& x = at(stage.from);
  if (stage.kind == bands::Stage::Kind::upsampling) {
    const int64_t h = x.shape().h * stage.stride, w = x.shape().w * stage.stride;
    const int crop = static_cast<int>(stage.crop), kernel = static_cast<int>(stage.weight.shape().h);
    const int stride = static_cast<int>(stage.stride);
    result_ = conv_transpose2d(x, stage.weight, stage.bias, h, w,
                               {.stride = stride, .pad_begin = crop, .pad_end = kernel - stride - crop});
    return;
  }
  const int pad = static_cast<int>(stage.weight.shape().h / 2);
  const Conv2dOptions options{
      .pad_begin = pad, .pad_end = pad, .groups = static_cast<int>(stage.groups), .leak = stage.leak};
  std::vector<Tensor> added;
  for (const bands::Rows& rows : stage.added) added.push_back(at(rows));
  const Tensor y = result_of(stage, x, added, options);
  int64_t begin = 0;
  for (const bands::Rows& rows : stage.to) {
    rows_[static_cast<size_t>(rows.index)] = y.channels(begin, begin + rows.channels);
    begin += rows.channels;
  }
}

}  // namespace sr
