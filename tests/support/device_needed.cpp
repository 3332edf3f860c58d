// Skips all tests of a program that needs a GPU where there is none.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "tests/support/cuda_schedules.h"

namespace sr {
namespace {

class DeviceNeeded : public testing::Environment {
  void SetUp() override {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    // In brackets what ctest knows a skipped test by; GoogleTest writes it for single tests only.
    if (status != cudaSuccess) GTEST_SKIP() << "[  SKIPPED ] needs a GPU: " << cudaGetErrorString(status);
  }
};

const testing::Environment* const device_needed = testing::AddGlobalTestEnvironment(new DeviceNeeded);

}  // namespace

void in_every_schedule(const std::function<void()>& f) {
  f();
}

}  // namespace sr
