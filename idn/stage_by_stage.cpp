#include "idn/stage_by_stage.h"

#include "tensor/conv2d/conv2d.h"

namespace sr {

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
  const Tensor y = stage.pointwise_weight ? conv2d_then_pointwise(x, stage.weight, stage.bias, options, added,
                                                                  stage.pointwise_weight,
                                                                  stage.pointwise_bias, stage.pointwise_leak)
                                          : conv2d(x, stage.weight, stage.bias, options, added);
  int64_t begin = 0;
  for (const bands::Rows& rows : stage.to) {
    rows_[static_cast<size_t>(rows.index)] = y.channels(begin, begin + rows.channels);
    begin += rows.channels;
  }
}

}  // namespace sr
