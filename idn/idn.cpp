#include "idn/idn.h"

#include <string>
#include <utility>

namespace sr {
namespace {

constexpr int64_t kFeatures = 64;
constexpr int64_t kDistilled = 16;  // channels that leave the enhancement half-way

}  // namespace

FeatureBlock::FeatureBlock(const ParamScope& p, const NetworkOptions& options) {
  for (int i = 0; i < options.num_FB_layers; ++i)
    convs_.emplace_back(p.sub(std::to_string(i)), i == 0 ? options.nchan : kFeatures, kFeatures, 3, kLeak);
}

Var FeatureBlock::operator()(const Var& image) const {
  if (convs_.size() == 1) return convs_[0](image);
  Var x = convs_[0].then(convs_[1], image);
  for (size_t i = 2; i < convs_.size(); ++i) x = convs_[i](x);
  return x;
}

bands::Rows FeatureBlock::stages(bands::Program& program, const bands::Rows& image) const {
  bands::Rows x = image;
  for (const Conv2d& conv : convs_) x = conv.stage(program, x);
  return x;
}

Reach FeatureBlock::reach() const {
  Reach sum;
  for (const Conv2d& conv : convs_) sum = sum + conv.reach();
  return sum;
}

DistillationBlock::DistillationBlock(const ParamScope& p, const NetworkOptions& options)
    : conv1_(p.sub("conv1"), kFeatures, 48, 3, kLeak),
      conv2_(p.sub("conv2"), 48, 32, 3, kLeak, 4),
      conv3_(p.sub("conv3"), 32, 64, 3, kLeak),
      conv4_(p.sub("conv4"), 64 - kDistilled, 64, 3, kLeak),
      conv5_(p.sub("conv5"), 64, 48, 3, kLeak, 4),
      conv6_(p.sub("conv6"), 48, kFeatures + kDistilled, 3, kLeak),
      compress_(p.sub("compress"), kFeatures + kDistilled, kFeatures, 1,
                options.compression_activation ? kLeak : 1) {}

Var DistillationBlock::operator()(const Var& x) const {
  // One variable is reassigned so that each result is freed as soon as the next one stands.
  Var y = conv1_.then(conv2_, x);
  y = conv3_(y);
  const int64_t c = y.shape().c;
  Var skipped = channels(y, 0, kDistilled);
  y = channels(y, kDistilled, c);
  y = conv4_.then(conv5_, std::move(y));
  std::vector<Var> joined{x, std::move(skipped)};
  return conv6_.then(compress_, std::move(y), std::move(joined));  // compress(conv6 + concat(x, skipped))
}

bands::Rows DistillationBlock::stages(bands::Program& program, const bands::Rows& x) const {
  const bands::Rows y = conv2_.stage(program, conv1_.stage(program, x));
  const auto [skipped, rest] = conv3_.split_stage(program, y, kDistilled);
  const bands::Rows z = conv5_.stage(program, conv4_.stage(program, rest));
  return conv6_.stage_then(compress_, program, z, {x, skipped});
}

Reach DistillationBlock::reach() const {
  const Reach skipping = conv1_.reach() + conv2_.reach() + conv3_.reach();
  const Reach longest = skipping + conv4_.reach() + conv5_.reach() + conv6_.reach();
  return (longest | skipping) + compress_.reach();
}

namespace {

std::vector<DistillationBlock> make_blocks(const ParamScope& p, const NetworkOptions& options) {
  std::vector<DistillationBlock> blocks;
  for (int i = 0; i < options.num_Dist_blocks; ++i) blocks.emplace_back(p.sub(std::to_string(i)), options);
  return blocks;
}

}  // namespace

Idn::Idn(const ParamScope& p, const NetworkOptions& options)
    : nchan_(options.nchan),
      features_(p.sub("features"), options),
      blocks_(make_blocks(p.sub("blocks"), options)),
      upsample_(p.sub("upsample"), kFeatures, options.nchan, kUpsampleKernel, options.factor,
                options.crop_begin) {}

Var Idn::operator()(const Var& image) const {
  Var x = features_(image);
  for (const DistillationBlock& block : blocks_) x = block(x);
  return upsample_(x);
}

bands::Program Idn::program() const {
  bands::Program program;
  bands::Rows x = features_.stages(program, program.image(nchan_));
  for (const DistillationBlock& block : blocks_) x = block.stages(program, x);
  upsample_.stage(program, x);
  return program;
}

Reach Idn::reach() const {
  Reach sum = features_.reach();
  for (const DistillationBlock& block : blocks_) sum = sum + block.reach();
  return sum + upsample_.reach();
}

int64_t Idn::recorded_channels() const {
  if (blocks_.empty()) return (features_.layers() > 1 ? 2 : 1) * kFeatures;
  // A block's input, and the results of its third and fourth convolution; the other three have sizes of their
  // own.
  return 3 * kFeatures + 48 + 32 + (kFeatures + kDistilled);
}

}  // namespace sr
