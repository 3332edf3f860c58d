#include "idn/span.h"

#include <string>
#include <utility>

#include "tensor/ops/pointwise.h"

namespace sr {
namespace {

constexpr float kUnits = 256;  // a power of two, so that it can be in the weights as well

std::vector<SpanBlock> make_blocks(const ParamScope& p, const SpanOptions& options) {
  std::vector<SpanBlock> blocks;
  for (int i = 0; i < options.blocks; ++i) blocks.emplace_back(p.sub(std::to_string(i)), options);
  return blocks;
}

}  // namespace

SpanBlock::SpanBlock(const ParamScope& p, const SpanOptions& o)
    : conv1_(p.sub("conv1"), o.channels, o.channels, o.branches),
      conv2_(p.sub("conv2"), o.channels, o.channels, o.branches),
      conv3_(p.sub("conv3"), o.channels, o.channels, o.branches) {}

SpanBlock::Results SpanBlock::operator()(const Var& x) const {
  const Var first = silu(conv1_(x));
  return {gate(conv3_(silu(conv2_(first))), x), first};
}

SpanBlock::Stages SpanBlock::stages(bands::Program& program, const bands::Rows& x) const {
  const bands::Rows first = program.convolution_silu(x, conv1_.weight_value(), conv1_.bias.value());
  const bands::Rows second = program.convolution_silu(first, conv2_.weight_value(), conv2_.bias.value());
  return {program.convolution_gate(second, conv3_.weight_value(), conv3_.bias.value(), x), first};
}

Reach SpanBlock::reach() const {
  return conv1_.reach() + conv2_.reach() + conv3_.reach();
}

Span::Span(const ParamScope& p, const NetworkOptions& o)
    : nchan_(o.nchan),
      channels_(o.span->channels),
      joined_(o.span->joined > 0 ? o.span->joined : channels_),
      features_(p.sub("features"), nchan_, channels_, o.span->branches),
      blocks_(make_blocks(p.sub("blocks"), *o.span)),
      last_(p.sub("last"), channels_, channels_, o.span->branches),
      join_(p.sub("join"), 4 * channels_, joined_, 1, 1),
      upsample_(p.sub("upsample"), joined_, nchan_, 3 * o.factor, o.factor, o.factor) {}

Var Span::operator()(const Var& image) const {
  const Var features = features_(scale(image, kUnits));
  SpanBlock::Results results = blocks_[0](features);
  const Var first = results.out;
  for (size_t i = 1; i < blocks_.size(); ++i) results = blocks_[i](results.out);
  results.out = last_(results.out);
  // The 1x1 convolution of all four side by side, without a copy of them.
  const auto weight = [&](int64_t part) {
    return channels(join_.weight, part * channels_, (part + 1) * channels_);
  };
  Var y = conv2d(results.out, weight(0), join_.bias, {});
  y = conv2d(features, weight(1), {}, {}, {y});
  y = conv2d(first, weight(2), {}, {}, {y});
  y = conv2d(results.first, weight(3), {}, {}, {y});
  return scale(upsample_(y), 1 / kUnits);
}

bands::Program Span::program() const {
  bands::Program program;
  const bands::Rows features = program.convolution(
      program.image(nchan_), scale(features_.weight_value(), kUnits), features_.bias.value(), 1);
  SpanBlock::Stages stages = blocks_[0].stages(program, features);
  const bands::Rows first = stages.out;
  for (size_t i = 1; i < blocks_.size(); ++i) stages = blocks_[i].stages(program, stages.out);
  const bands::Rows y =
      program.convolution_joined(stages.out, last_.weight_value(), last_.bias.value(),
                                 {features, first, stages.first}, join_.weight.value(), join_.bias.value());
  program.upsampling(y, scale(upsample_.weight.value(), 1 / kUnits),
                     scale(upsample_.bias.value(), 1 / kUnits), upsample_.options.stride,
                     upsample_.options.pad_begin);
  return program;
}

Reach Span::reach() const {
  Reach sum = features_.reach();
  for (const SpanBlock& block : blocks_) sum = sum + block.reach();
  return sum + last_.reach() + upsample_.reach();
}

int64_t Span::recorded_channels() const {
  // The four that are joined, and two that are one made of the other.
  return 4 * channels_ + 2 * joined_;
}

}  // namespace sr
