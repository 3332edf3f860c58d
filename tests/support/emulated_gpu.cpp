// Gives a program an emulated GPU.
#include "tests/cuda_emulation/emulation.h"
#include "tests/support/cuda_schedules.h"

namespace sr {
namespace {

const bool one_gpu = [] {
  const emulation::Options given = emulation::options();
  emulation::options() = {};
  emulation::options().capabilities = given.capabilities;  // SR_EMULATED_CAPABILITY
  return true;
}();

}  // namespace

void in_every_schedule(const std::function<void()>& f) {
  const emulation::Options before = emulation::options();
  using enum emulation::Schedule;
  for (const emulation::Schedule schedule : {forward, reverse, random}) {
    emulation::options().schedule = schedule;
    f();
  }
  emulation::options() = before;
}

}  // namespace sr
