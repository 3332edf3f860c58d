// Training steps on a GPU against the same steps on the processor.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <tuple>

#include "io/formats/checkpoint.h"
#include "io/json_text.h"
#include "tensor/conv2d/conv2d.h"
#include "tensor/conv2d/conv2d_cuda.h"
#include "tensor/conv2d/gather_gradients_cuda.h"
#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise.h"
#include "tensor/random.h"
#include "tests/support/expect_error.h"
#include "tests/training/small_steps.h"

namespace sr {
namespace {

using cuda::Precision;

class TrainingOnGpu : public testing::Test {
 protected:
  ~TrainingOnGpu() override { cuda::set_precision(Precision::fp32); }
};

TEST_F(TrainingOnGpu, StepsAreTheProcessorsForEveryLossAndPrecision) {
  struct Case {
    Precision precision;
    Loss loss;
    double loss_bound, weights_bound;
  };
  for (const Case& c : {Case{Precision::fp32, Loss::l1, 1e-5, 0.02},
                        {Precision::fp32, Loss::ssim, 1e-5, 0.02},
                        {Precision::tf32, Loss::l1, 1e-3, 0.2},
                        {Precision::bf16, Loss::l2, 2e-2, 0.5},
                        {Precision::fp16, Loss::l1, 1e-3, 0.2}}) {
    cuda::set_precision(c.precision);
    TrainerOptions o = options(Device::cpu);
    o.loss = c.loss;
    o.clip_norm = c.loss == Loss::l2 ? 0.05 : 0;
    o.rate_multipliers = c.loss == Loss::ssim;
    Trainer here(small_model(), o);
    o.device = Device::cuda;
    Trainer there(small_model(), o);
    for (int i = 0; i < 3; ++i) {
      const StepResult a = step(here), b = step(there);
      EXPECT_NEAR(b.loss, a.loss, c.loss_bound * std::abs(a.loss)) << cuda::name_of(c.precision) << i;
      EXPECT_NEAR(b.gradient_norm, a.gradient_norm, 10 * c.loss_bound * a.gradient_norm)
          << cuda::name_of(c.precision) << i;
      EXPECT_EQ(b.rate, a.rate);
    }
    EXPECT_LT(difference(there.model(), here.model(), small_model()), c.weights_bound)
        << cuda::name_of(c.precision);
  }
}

// Of 16 bands the result is stored in 16 bits, as what lies between layers.
TEST_F(TrainingOnGpu, StepsOfJointNetworksOnTheSpectralAngleAreTheProcessors) {
  NetworkOptions joint;
  joint.num_FB_layers = 1, joint.num_Dist_blocks = 0;
  for (const auto& [bands, precision, bound] :
       {std::tuple{2, Precision::fp32, 1e-5}, {2, Precision::bf16, 2e-2}, {16, Precision::fp16, 4e-3}}) {
    joint.nchan = bands;
    Random random{4};
    TrainingBatch batch({1, 6, 6, bands}, 2);
    for (int64_t i = 0; i < batch.all.shape().size(); ++i)
      batch.all.data()[i] = static_cast<float>(0.5 + 0.1 * random.normal());
    cuda::set_precision(precision);
    TrainerOptions o = options(Device::cpu);
    o.spectral_angle = 3;
    Trainer here(Model(joint, 5), o);
    o.device = Device::cuda;
    Trainer there(Model(joint, 5), o);
    for (int i = 0; i < 2; ++i) {
      const StepResult a = here.step(batch, 0), b = there.step(batch, 0);
      EXPECT_NEAR(b.loss, a.loss, bound * a.loss) << bands << cuda::name_of(precision) << i;
      EXPECT_NEAR(b.gradient_norm, a.gradient_norm, 10 * bound * a.gradient_norm) << bands << i;
    }
  }
}

// Its weights are other tensors with each step, of which nothing may be kept.
TEST_F(TrainingOnGpu, StepsOfSpanAreTheProcessors) {
  for (const auto& [precision, loss_bound, weights_bound] :
       {std::tuple{Precision::fp32, 1e-5, 0.02}, {Precision::fp16, 4e-3, 0.3}}) {
    cuda::set_precision(precision);
    Trainer here(small_span(), options(Device::cpu)), there(small_span(), options(Device::cuda));
    for (int i = 0; i < 4; ++i) {
      const StepResult a = step(here), b = step(there);
      EXPECT_NEAR(b.loss, a.loss, loss_bound * a.loss) << cuda::name_of(precision) << i;
    }
    EXPECT_LT(difference(there.model(), here.model(), small_span()), weights_bound)
        << cuda::name_of(precision);
  }
}

// Three layers of one size and one of another; what is read early is one of the three.
void expect_gathered_gradients(cuda::Precision precision) {
  cuda::set_precision(precision);
  Random random{4};
  const Conv2dOptions same{.pad_begin = 1, .pad_end = 1};
  const auto stored = [&](int64_t c) {
    return convert(random_normal({2, 9, 6, c}, 1, random).to(Device::cuda), cuda::storage(precision));
  };
  std::vector<Tensor> xs, dys, alone;
  for (const int64_t c : {64, 64, 48, 64}) xs.push_back(stored(c)), dys.push_back(stored(c == 48 ? 64 : 48));
  const auto gradient = [&](size_t i) {
    return conv2d_grad_weight(dys[i], xs[i], {i == 2 ? 64 : 48, 3, 3, xs[i].shape().c}, same);
  };
  const auto with_bias = [&] { return cuda::conv2d_grad_parameters(dys[3], xs[3], {48, 3, 3, 64}, same); };
  for (size_t i = 0; i < xs.size(); ++i) alone.push_back(gradient(i).to(Device::cpu));
  const Tensor sums = with_bias().bias.to(Device::cpu);
  const LeakyReluGrads bias = leaky_relu_grads(dys[0], dys[1], 0.05f);
  std::vector<Tensor> together;
  cuda::GatherGradients gathered;
  for (size_t i = 0; i < 2; ++i) together.push_back(gradient(i));
  const LeakyReluGrads later = leaky_relu_grads(dys[0], dys[1], 0.05f);
  const Tensor sum = add(together[0], together[1]);  // as where a weight is used twice
  EXPECT_EQ(later.dbias.to(Device::cpu).to_vector(), bias.dbias.to(Device::cpu).to_vector());
  EXPECT_EQ(with_bias().bias.to(Device::cpu).to_vector(), sums.to_vector());
  for (size_t i = 2; i < xs.size(); ++i) together.push_back(gradient(i));
  EXPECT_EQ(together[3].to(Device::cpu).to_vector(), alone[3].to_vector());
  gathered.finish();
  for (size_t i = 0; i < xs.size(); ++i)
    EXPECT_EQ(together[i].to(Device::cpu).to_vector(), alone[i].to_vector()) << i;
  EXPECT_EQ(sum.to(Device::cpu).to_vector(), add(alone[0], alone[1]).to_vector());
}

TEST_F(TrainingOnGpu, AGradientThatIsReadBeforeTheOthersIsRight) {
  expect_gathered_gradients(Precision::tf32);
  expect_gathered_gradients(Precision::bf16);  // other kernels on Hopper
}

TEST_F(TrainingOnGpu, GoesOnBitByBitWhereItWasSaved) {
  cuda::set_precision(Precision::tf32);
  Trainer whole(tiny_model(), options(Device::cuda));
  for (int i = 0; i < 4; ++i) step(whole);
  Trainer first(tiny_model(), options(Device::cuda));
  for (int i = 0; i < 2; ++i) step(first);
  const TestFolder folder;
  first.save(folder / "c.sr", "{}");
  std::string notes;
  Trainer second = Trainer::restore(folder / "c.sr", options(Device::cuda), notes);
  for (int i = 0; i < 2; ++i) step(second);
  EXPECT_EQ(second.steps(), 4);
  EXPECT_EQ(bytes_of(second), bytes_of(whole));
}

// Steps with the batches `of` their numbers, each begun while the one before it is under way.
void run_ahead(Trainer& trainer, int64_t steps, const std::function<TrainingBatch(int64_t)>& of) {
  for (int64_t t = 0; t < steps; ++t) {
    trainer.begin(of(t), static_cast<double>(t) / 100);
    if (trainer.under_way() > trainer.ahead()) trainer.finish();
  }
  while (trainer.under_way() > 0) trainer.finish();
}

TEST_F(TrainingOnGpu, StepsThatAreBegunAheadHaveTheSameBits) {
  cuda::set_precision(Precision::bf16);
  Trainer one(tiny_model(), options(Device::cuda)), ahead(tiny_model(), options(Device::cuda));
  for (int i = 0; i < 4; ++i) step(one);
  run_ahead(ahead, 4, [](int64_t t) {
    // One lies on the device already.
    return batch_of(static_cast<uint64_t>(t)).to(t == 2 ? Device::cuda : Device::cpu);
  });
  EXPECT_EQ(bytes_of(ahead), bytes_of(one));
  ahead.begin(batch_of(1), 0);
  ahead.begin(batch_of(2), 0);
  expect_error(Error::Kind::usage, "2 steps are under way", [&] { ahead.begin(batch_of(3), 0); });
}

// Gradients of 2e5 are infinite in fp16: the factor is halved when the next step is under way.
TEST_F(TrainingOnGpu, AStepThatIsRepeatedWithASmallerFactorIsFollowedByTheOthers) {
  cuda::set_precision(Precision::fp16);
  const auto batch = [](int64_t t) {
    TrainingBatch b = batch_of(static_cast<uint64_t>(t));
    if (t == 1)
      for (int64_t i = 0; i < b.gt.shape().size(); ++i) b.gt.data()[i] += 1e5f;
    return b;
  };
  TrainerOptions o = options(Device::cuda);
  o.loss = Loss::l2;
  o.clip_norm = 0.5;
  Trainer one(tiny_model(), o), ahead(tiny_model(), o);
  for (int64_t t = 0; t < 4; ++t)
    EXPECT_TRUE(std::isfinite(one.step(batch(t), static_cast<double>(t) / 100).gradient_norm));
  run_ahead(ahead, 4, batch);
  EXPECT_EQ(ahead.steps(), 4);
  EXPECT_EQ(bytes_of(ahead), bytes_of(one));
}

TEST_F(TrainingOnGpu, AHalvedFactorGoesOnWhereItWasSaved) {
  cuda::set_precision(Precision::fp16);
  TrainingBatch large = batch_of(1);
  for (int64_t i = 0; i < large.gt.shape().size(); ++i) large.gt.data()[i] += 1e5f;
  TrainerOptions o = options(Device::cuda);
  o.loss = Loss::l2;
  o.clip_norm = 0.5;
  Trainer whole(tiny_model(), o), other(tiny_model(), o);
  other.step(batch_of(0), 0);
  whole.step(large, 0);
  const TestFolder folder;
  whole.save(folder / "c.sr", "{}"), other.save(folder / "d.sr", "{}");
  const auto factor = [&](const char* name) {
    return nlohmann::json::parse(load_checkpoint(folder / name).meta)["training"]["loss_factor"]
        .get<double>();
  };
  EXPECT_LT(factor("c.sr"), factor("d.sr"));
  std::string notes;
  Trainer second = Trainer::restore(folder / "c.sr", o, notes);
  EXPECT_EQ(bytes_of(second), bytes_of(whole)) << "before a step";
  for (Trainer* trainer : {&whole, &second}) trainer->step(batch_of(2), 0);
  EXPECT_EQ(bytes_of(second), bytes_of(whole));
}

TEST_F(TrainingOnGpu, BatchesOfAnotherSizeAreTakenToo) {
  Trainer trainer(small_model(), options(Device::cuda)), other(small_model(), options(Device::cpu));
  for (const int64_t n : {2, 1, 2}) {
    const double there = trainer.step(batch_of(9, n), 0).loss, here = other.step(batch_of(9, n), 0).loss;
    EXPECT_NEAR(there, here, 1e-5 * here) << n;
  }
}

// Its packed weights have the sizes of some activations, whose memory they must not take from what is
// recorded.
TEST_F(TrainingOnGpu, TheNetworksStepCanBeRecordedWhateverTheSizes) {
  cuda::set_precision(Precision::bf16);
  Trainer trainer(Model({.factor = 2, .crop_begin = 7}, 1), options(Device::cuda));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(std::isfinite(trainer.step(batch_of(1, 3, 12), 0).loss));
}

TEST_F(TrainingOnGpu, AStepThatIsNotFiniteIsNotTaken) {
  Trainer trainer(small_model(), options(Device::cuda));
  step(trainer);
  const std::string before = bytes_of(trainer);
  TrainingBatch bad = batch_of(3);
  bad.gt.data()[7] = std::numeric_limits<float>::quiet_NaN();
  expect_error(Error::Kind::limit, "the loss is", [&] { trainer.step(bad, 0); });
  EXPECT_EQ(bytes_of(trainer), before);
  EXPECT_TRUE(std::isfinite(step(trainer).loss));
  const std::string later = bytes_of(trainer);
  trainer.begin(bad, 0);
  trainer.begin(batch_of(4), 0);
  expect_error(Error::Kind::limit, "step 2 the loss is", [&] { trainer.finish(); });
  EXPECT_EQ(trainer.under_way(), 0) << "the step after it is forgotten";
  EXPECT_EQ(bytes_of(trainer), later);
  EXPECT_TRUE(std::isfinite(step(trainer).loss));
}

// Gradients of 1 / 512 for each pixel would be lost in fp16's smallest numbers on their way through small
// weights.
TEST_F(TrainingOnGpu, HalfPrecisionDoesNotLoseSmallGradients) {
  cuda::set_precision(Precision::fp16);
  const auto shrunk = [] {
    Model model = small_model();
    for (Parameter& p : model.params->list()) {
      Tensor w = p.var.value();
      if (p.name == "upsample.weight")
        for (int64_t i = 0; i < w.shape().size(); ++i) w.data()[i] *= 1e-4f;
    }
    return model;
  };
  // Adam's first moment of the first layer: a tenth of its gradient, which has come the whole way.
  const auto moment = [](Trainer trainer) {
    trainer.step(batch_of(1), 0);
    const TestFolder folder;
    trainer.save(folder / "c.sr", "{}");
    for (const auto& [name, tensor] : load_checkpoint(folder / "c.sr").tensors)
      if (name == "training/adam/m/features.0.weight") return tensor.to_vector();
    return std::vector<float>();
  };
  TrainerOptions o;
  o.adam.weight_decay = 0;  // which would be larger than such gradients
  const std::vector<float> here = moment(Trainer(shrunk(), o));
  o.device = Device::cuda;
  const std::vector<float> there = moment(Trainer(shrunk(), o));
  ASSERT_EQ(there.size(), here.size());
  double off = 0, size = 0;
  for (size_t i = 0; i < here.size(); ++i) {
    off += std::pow(double{there[i]} - double{here[i]}, 2);
    size += std::pow(double{here[i]}, 2);
  }
  EXPECT_GT(size, 0);
  EXPECT_LT(std::sqrt(off / size), 0.05);
}

}  // namespace
}  // namespace sr
