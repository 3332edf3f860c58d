#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sr {

double learning_rate(const Schedule& s, int64_t step, double progress) {
  double rate = s.rate;
  if (s.kind == ScheduleKind::step)
    rate *= std::pow(s.step_factor, static_cast<double>(step / std::max<int64_t>(1, s.step_length)));
  if (s.kind == ScheduleKind::cosine)
    rate *= 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(progress, 0.0, 1.0)));
  if (step < s.warmup_steps) rate *= static_cast<double>(step + 1) / static_cast<double>(s.warmup_steps);
  return rate;
}

}  // namespace sr
