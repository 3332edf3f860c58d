// How the learning rate changes while a network is trained.
#pragma once

#include <cstdint>

namespace sr {

/// The course of the rate.
enum class ScheduleKind {
  constant,  ///< as it is
  step,      ///< times step_factor after every step_length steps
  cosine     ///< down to zero along half a cosine (Loshchilov, Hutter, ICLR 2017, "SGDR", without restarts)
};

/// A learning rate's course over a training.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;  ///< its form
  double rate = 1e-4;                          ///< where it begins, after the warm-up
  int64_t warmup_steps = 0;      ///< linearly from zero over the first steps, beside the kind's own course
  int64_t step_length = 250000;  ///< of ScheduleKind::step, in steps
  double step_factor = 0.1;      ///< of ScheduleKind::step

  bool operator==(const Schedule&) const = default;  ///< of all
};

/// The rate for the step with this number (from 0); `progress` is the share of the whole training that lies
/// behind, 0..1, by steps or by time, which only the cosine looks at.
double learning_rate(const Schedule& schedule, int64_t step, double progress);

}  // namespace sr
