// Gives a program an emulated GPU.
#include "tests/cuda_emulation/emulation.h"

namespace {

const bool one_gpu = [] {
  sr::emulation::options() = {};
  return true;
}();

}  // namespace
