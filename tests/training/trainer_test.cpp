// Training steps on a small network and random batches.
#include "training/trainer.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "tensor/bands/kernels.h"
#include "tensor/ops/loss.h"
#include "tensor/ops/pointwise.h"
#include "tests/support/expect_error.h"
#include "tests/support/run_program.h"
#include "tests/training/small_steps.h"

namespace sr {
namespace {

using enum Error::Kind;

NetworkOptions small_network(int factor = 2) {
  NetworkOptions o;
  o.factor = factor;
  o.num_FB_layers = 1;
  o.num_Dist_blocks = 1;
  o.crop_begin = 9 - factor;
  return o;
}

TrainerOptions with_average() {
  TrainerOptions o;
  o.schedule = {.kind = ScheduleKind::cosine, .rate = 1e-3, .warmup_steps = 2};
  o.clip_norm = 0.5;
  o.ema_decay = 0.99;
  return o;
}

void run(Trainer& trainer, int64_t until) {
  while (trainer.steps() < until)
    trainer.step(batch_of(static_cast<uint64_t>(trainer.steps())),
                 static_cast<double>(trainer.steps()) / 100);
}

TEST(Trainer, EveryLossFallsOnABatchSeenAgainAndAgain) {
  for (const Loss loss : {Loss::l1, Loss::l2, Loss::ssim}) {
    TrainerOptions o;
    o.loss = loss;
    o.schedule.rate = 1e-3;
    Trainer trainer(small_model(), o);
    const double first = trainer.step(batch_of(1), 0).loss;
    double last = 0;
    for (int i = 0; i < 30; ++i) last = trainer.step(batch_of(1), 0).loss;
    EXPECT_LT(last, first - 0.1 * std::abs(first)) << name_of(loss);
  }
}

TEST(Trainer, TheSpectralAngleIsAddedToTheLossAndFallsWithIt) {
  NetworkOptions two_bands = small_network();
  two_bands.nchan = 2;
  TrainingBatch batch({2, 8, 8, 2}, 2);
  Random random{4};
  for (int64_t i = 0; i < batch.all.shape().size(); ++i)
    batch.all.data()[i] = static_cast<float>(0.5 + 0.1 * random.normal());
  TrainerOptions o;
  o.schedule.rate = 1e-3;
  const double l1 = Trainer(Model(two_bands, 5), o).step(batch, 0).loss;
  o.spectral_angle = 10;  // so that the angle is most of it
  Trainer trainer(Model(two_bands, 5), o);
  const double both = trainer.step(batch, 0).loss;
  const Model first(two_bands, 5);
  const Tensor result = add(first.residual(batch.down.clone()), batch.base);
  EXPECT_NEAR(both, l1 + 10 * spectral_angle(result, batch.gt), 1e-4);
  double last = 0;
  for (int i = 0; i < 30; ++i) last = trainer.step(batch, 0).loss;
  EXPECT_LT(last, both - 0.5 * (both - l1));
}

TEST(Trainer, TheNetworksResultIsAddedToTheBase) {
  // With zero weights it is zero.
  Model model = small_model();
  for (Parameter& p : model.params->list()) p.var.set_value(Tensor::zeros(p.var.shape()));
  Trainer trainer(std::move(model), {});
  const TrainingBatch batch = batch_of(2);
  double sum = 0;
  for (int64_t i = 0; i < batch.gt.shape().size(); ++i)
    sum += std::abs(double{batch.base.data()[i]} - double{batch.gt.data()[i]});
  EXPECT_NEAR(trainer.step(batch, 0).loss, sum / static_cast<double>(batch.gt.shape().size()), 1e-6);
}

TEST(Trainer, ThreadsDoNotChangeABitOfTheCheckpoint) {
  const int before = omp_get_max_threads();
  std::string first;
  for (const int threads : {1, 2, 4}) {
    omp_set_num_threads(threads);
    Trainer trainer(small_model(), with_average());
    run(trainer, 4);
    if (first.empty()) first = bytes_of(trainer);
    EXPECT_EQ(bytes_of(trainer), first) << threads;
  }
  omp_set_num_threads(before);
}

// Convolutions in bfloat16 as long as it lives.
class InBf16 {
 public:
  InBf16() { bands::set_precision(bands::Precision::bf16); }
  ~InBf16() { bands::set_precision(before_); }
  InBf16(const InBf16&) = delete;
  InBf16& operator=(const InBf16&) = delete;

 private:
  bands::Precision before_ = bands::precision();
};

TEST(Trainer, InBfloat16NeitherThreadsNorARestoreChangeABitOfTheCheckpoint) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  Trainer in_float32(small_model(), with_average());
  run(in_float32, 4);
  const InBf16 precision;
  const int before = omp_get_max_threads();
  std::string first;
  for (const int threads : {1, 2, 4}) {
    omp_set_num_threads(threads);
    Trainer trainer(small_model(), with_average());
    run(trainer, 2);
    const TestFolder folder;
    trainer.save(folder / "c.sr", "{}");
    std::string notes;
    Trainer restored = Trainer::restore(folder / "c.sr", with_average(), notes);
    for (Trainer* t : {&trainer, &restored}) {
      run(*t, 4);
      if (first.empty()) first = bytes_of(*t);
      EXPECT_EQ(bytes_of(*t), first) << threads;
    }
  }
  omp_set_num_threads(before);
  EXPECT_NE(bytes_of(in_float32), first);
}

TEST(Trainer, LossesInBfloat16AreFloat32sToItsPrecision) {
  if (!bands::has_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  constexpr double kUnit = 0x1p-8, kLayers = 1 + 7 + 1;
  const double bound = std::sqrt(2 * kLayers / 3) * kUnit;  // docs/numerics.md
  // Adam's first steps go by the gradients' signs, which rounding turns where they are small: what two
  // trainings have learnt lies farther apart than what one has.
  constexpr double kOfTrainings = 0.03;
  Trainer in_float32(small_model(), with_average()), in_bf16(small_model(), with_average());
  for (int i = 0; i < 5; ++i) {
    const TrainingBatch batch = batch_of(static_cast<uint64_t>(i));
    const double of_first = Trainer(small_model(), with_average()).step(batch, 0).loss;
    const double expected = in_float32.step(batch, 0).loss;
    const InBf16 precision;
    EXPECT_NEAR(Trainer(small_model(), with_average()).step(batch, 0).loss, of_first, bound * of_first) << i;
    EXPECT_NEAR(in_bf16.step(batch, 0).loss, expected, kOfTrainings * expected) << i;
  }
}

TEST(Trainer, ARestoredTrainingGoesOnBitByBit) {
  for (const double decay : {0.0, 0.99}) {
    TrainerOptions o = with_average();
    o.ema_decay = decay;
    Trainer straight(small_model(), o), first(small_model(), o);
    run(straight, 6);
    run(first, 3);
    const TestFolder folder;
    first.save(folder / "c.sr", R"({"best": 1.5})");
    std::string notes;
    Trainer second = Trainer::restore(folder / "c.sr", o, notes);
    EXPECT_EQ(second.steps(), 3);
    EXPECT_EQ(notes, R"({"best":1.5})");
    run(second, 6);
    EXPECT_EQ(bytes_of(second), bytes_of(straight)) << "average " << decay;
  }
}

Model small_span() {
  return Model({.span = SpanOptions{.channels = 16, .blocks = 1, .branches = true}}, 5);
}

TEST(Trainer, SpanIsTrainedToTheSameBitsWithAnyThreadsAndRestores) {
  const int before = omp_get_max_threads();
  std::string first;
  for (const int threads : {1, 2, 4}) {
    omp_set_num_threads(threads);
    Trainer trainer(small_span(), with_average());
    run(trainer, 2);
    const TestFolder folder;
    trainer.save(folder / "c.sr", "{}");
    std::string notes;
    Trainer restored = Trainer::restore(folder / "c.sr", with_average(), notes);
    EXPECT_TRUE(restored.model().options().span->branches);
    for (Trainer* t : {&trainer, &restored}) {
      run(*t, 4);
      if (first.empty()) first = bytes_of(*t);
      EXPECT_EQ(bytes_of(*t), first) << threads;
    }
  }
  omp_set_num_threads(before);
}

TEST(Trainer, SpanLearnsABatchSeenAgainAndAgain) {
  TrainerOptions o;
  o.schedule.rate = 1e-3;
  Trainer trainer(small_span(), o);
  const double first = trainer.step(batch_of(1), 0).loss;
  double last = 0;
  for (int i = 0; i < 60; ++i) last = trainer.step(batch_of(1), 0).loss;
  EXPECT_LT(last, 0.9 * first);
}

TEST(Trainer, ACheckpointGivesTheAveragedWeightsToThoseWhoUseIt) {
  Trainer trainer(small_model(), with_average());
  run(trainer, 5);
  const TestFolder folder;
  trainer.save(folder / "c.sr", "{}");
  const Model model = Model::load(folder / "c.sr", 2);
  for (size_t i = 0; i < model.params->list().size(); ++i)
    EXPECT_EQ(model.params->list()[i].var.value().to_vector(),
              trainer.model().params->list()[i].var.value().to_vector());
  EXPECT_EQ(model.means, small_model().means);
}

TEST(Trainer, ANumberThatIsNoneStopsItAndLeavesTheWeights) {
  Trainer trainer(small_model(), {});
  run(trainer, 2);
  const std::string before = bytes_of(trainer);
  TrainingBatch bad = batch_of(3);
  bad.gt.data()[5] = std::numeric_limits<float>::quiet_NaN();
  expect_error(limit, "step 2", [&] { trainer.step(bad, 0); });
  EXPECT_EQ(bytes_of(trainer), before);
}

TEST(Trainer, WeightsWithoutATrainingsStateStartAtStepZero) {
  const TestFolder folder;
  small_model().save(folder / "weights.sr");
  std::string notes = "x";
  Trainer trainer = Trainer::restore(folder / "weights.sr", with_average(), notes);
  EXPECT_EQ(trainer.steps(), 0);
  EXPECT_EQ(notes, "");
  run(trainer, 1);
}

TEST(Trainer, AStateWithAMissingPartIsRefused) {
  Trainer trainer(small_model(), with_average());
  run(trainer, 1);
  const TestFolder folder;
  trainer.save(folder / "c.sr", "{}");
  const Checkpoint whole = load_checkpoint(folder / "c.sr");
  std::string notes;
  for (const std::string prefix : {"training/weight/upsample.bias", "training/adam/v/features.0.weight"}) {
    Checkpoint part = whole;
    std::erase_if(part.tensors, [&](const auto& tensor) { return tensor.first == prefix; });
    ASSERT_EQ(part.tensors.size() + 1, whole.tensors.size()) << prefix;
    save_checkpoint(folder / "part.sr", part);
    expect_error(format, "missing", [&] { Trainer::restore(folder / "part.sr", with_average(), notes); });
  }
}

TEST(Trainer, ALossFactorThatIsNoPowerOfTwoIsRefused) {
  Trainer trainer(small_model(), {});
  const TestFolder folder;
  std::string notes;
  for (const auto& [factor, is_one] : {std::pair{"256", true}, {"3", false}, {"0.5", false}, {"-2", false}}) {
    Checkpoint given = trainer.checkpoint();
    given.meta.replace(given.meta.find(R"("has_average")"), 0,
                       R"("loss_factor":)" + std::string(factor) + ",");
    save_training(folder / "c.sr", given, "{}");
    if (is_one)
      EXPECT_EQ(Trainer::restore(folder / "c.sr", {}, notes).steps(), 0);
    else
      expect_error(format, "c.sr: its loss_factor is", [&] { Trainer::restore(folder / "c.sr", {}, notes); });
  }
}

TEST(TakeWeights, LeavesTheUpsamplerOfAnotherFactor) {
  Model two = small_model(), three(small_network(3), 9);
  const std::vector<float> upsampler =
      three.params->list()[three.params->list().size() - 2].var.value().to_vector();
  EXPECT_EQ(take_weights(three, two), static_cast<int64_t>(three.params->list().size()) - 2);
  EXPECT_EQ(three.params->list()[three.params->list().size() - 2].var.value().to_vector(), upsampler);
  EXPECT_EQ(three.params->list()[0].var.value().to_vector(), two.params->list()[0].var.value().to_vector());
  Model again(small_network(), 77);
  EXPECT_EQ(take_weights(again, two), static_cast<int64_t>(again.params->list().size()));
}

}  // namespace
}  // namespace sr
