// Small networks, batches and options for tests of training steps, and what came out.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "tensor/random.h"
#include "tests/support/run_program.h"
#include "training/trainer.h"

namespace sr {

inline Model small_model() {
  NetworkOptions o;
  o.num_FB_layers = 1, o.num_Dist_blocks = 1;
  Model model(o, 5);
  model.means = {{0.4}, {0.41}, {0.39}};
  return model;
}

// For tests to which it does not matter what is computed: without a distillation block.
inline Model tiny_model() {
  NetworkOptions o;
  o.num_FB_layers = 1, o.num_Dist_blocks = 0;
  return Model(o, 5);
}

inline Model small_span() {
  return Model({.span = SpanOptions{.channels = 16, .blocks = 1, .branches = true}}, 5);
}

// Pictures around the middle of the range; gt is base with something added, as in life.
inline TrainingBatch batch_of(uint64_t seed, int64_t n = 2, int64_t side = 8) {
  Random random{seed};
  TrainingBatch batch({n, side, side, 1}, 2);
  for (int64_t i = 0; i < batch.gt.shape().size(); ++i) {
    batch.base.data()[i] = static_cast<float>(0.5 + 0.1 * random.normal());
    batch.gt.data()[i] = batch.base.data()[i] + static_cast<float>(0.03 * random.normal());
  }
  for (int64_t i = 0; i < batch.down.shape().size(); ++i)
    batch.down.data()[i] = static_cast<float>(0.1 + 0.1 * random.normal());
  return batch;
}

inline TrainerOptions options(Device device) {
  TrainerOptions o;
  o.schedule = {.kind = ScheduleKind::cosine, .rate = 1e-3, .warmup_steps = 2};
  o.ema_decay = 0.99;
  o.device = device;
  return o;
}

inline StepResult step(Trainer& trainer) {
  const auto t = static_cast<uint64_t>(trainer.steps());
  return trainer.step(batch_of(t), static_cast<double>(t) / 100);
}

inline std::string bytes_of(const Trainer& trainer) {
  const TestFolder folder;
  trainer.save(folder / "c.sr", R"({"best": 1.5})");
  return text_of_file(folder / "c.sr");
}

// Root mean square of the difference of all weights, relative to that of their steps from where they began.
inline double difference(const Model& a, const Model& b, const Model& start) {
  double off = 0, steps = 0;
  for (size_t i = 0; i < a.params->list().size(); ++i) {
    const auto values = [&](const Model& m) {
      return m.params->list()[i].var.value().to(Device::cpu).to_vector();
    };
    const std::vector<float> va = values(a), vb = values(b), vs = values(start);
    for (size_t k = 0; k < va.size(); ++k) {
      off += std::pow(double{va[k]} - double{vb[k]}, 2);
      steps += std::pow(double{va[k]} - double{vs[k]}, 2);
    }
  }
  return std::sqrt(off / steps);
}

}  // namespace sr
