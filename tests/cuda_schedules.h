// Orders of threads and blocks for the tests of kernels.
#pragma once

#ifdef SR_CUDA_EMULATED
#include "tests/cuda_emulation/emulation.h"
#endif

namespace sr {

/// Calls f once for each order of threads and blocks that the emulation has; once on a GPU, whose order is
/// its own.
template <class F>
void in_every_schedule(F&& f) {
#ifdef SR_CUDA_EMULATED
  const emulation::Options before = emulation::options();
  using enum emulation::Schedule;
  for (const emulation::Schedule schedule : {forward, reverse, random}) {
    emulation::options().schedule = schedule;
    f();
  }
  emulation::options() = before;
#else
  f();
#endif
}

}  // namespace sr
