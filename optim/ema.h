// The average of a network's weights over the last steps, which makes better pictures than the last ones.
#pragma once

#include "autograd/params.h"

namespace sr {

/// Exponential moving average of `source` in `average`, two lists of the same names and shapes. Both must
/// stay where they are.
class Ema {
 public:
  /// average starts as a copy of source's values. Errors: usage (decay outside 0..1, lists that differ).
  Ema(const Params& source, Params& average, double decay);

  /// average = d * average + (1 - d) * source, where d = min(decay, (1 + t) / (10 + t)) after t updates, so
  /// that the start is forgotten soon.
  void update(int64_t updates_before);

 private:
  const Params& source_;
  Params& average_;
  double decay_;
};

}  // namespace sr
