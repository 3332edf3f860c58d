// What is said when a GPU cannot be used or fails.
#include <gtest/gtest.h>

#include <cuda_runtime_api.h>

#include "tensor/conv2d/conv2d.h"
#include "tensor/cuda/device.h"
#include "tensor/ops/pointwise.h"
#include "tensor/tensor.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/support/expect_error.h"

namespace sr {
namespace {

using enum Error::Kind;

class DeviceState : public testing::Test {
 protected:
  ~DeviceState() override {
    emulation::options() = {};
    emulation::fail_next("", cudaSuccess);
    cudaGetLastError();
  }
};

TEST_F(DeviceState, NoDeviceIsSaid) {
  emulation::options().devices = 0;
  expect_error(device, "there is no device that can be used", [] { cuda::use_device(0); });
}

TEST_F(DeviceState, AWrongNumberIsSaidWithTheNumberOfDevices) {
  emulation::options().devices = 2;
  expect_error(device, "cuda:2: there are 2 devices; their numbers start at 0", [] { cuda::use_device(2); });
  expect_error(device, "cuda:-1", [] { cuda::use_device(-1); });
}

TEST_F(DeviceState, AnOldDriverIsSaidWithBothVersions) {
  emulation::fail_next("cudaGetDeviceCount", cudaErrorInsufficientDriver);
  expect_error(device, "the driver is for CUDA ", [] { cuda::usable_devices(); });
  emulation::fail_next("cudaGetDeviceCount", cudaErrorInsufficientDriver);
  expect_error(device, "update the driver, or use --device cpu", [] { cuda::usable_devices(); });
}

TEST_F(DeviceState, AGpuThatIsTooOldIsSaid) {
  emulation::options().capabilities = {75};
  const std::string what =
      "cuda:0: CUDA emulation of sm_75 has compute capability 7.5, the kernels need 8.0 or later";
  expect_error(device, what, [] { cuda::use_device(0); });
  expect_error(device, what, [] { cuda::usable_devices(); });
}

TEST_F(DeviceState, GpusAreUsedTogetherIfTheyAreNewEnoughAndOfOneKind) {
  emulation::options().devices = 5;
  emulation::options().capabilities = {75, 80, 89, 80, 75};
  EXPECT_EQ(cuda::usable_devices(), (std::vector<int>{1, 3}));
}

TEST_F(DeviceState, MemoryThatIsUsedUpIsSaidWithWhatIsFree) {
  emulation::options().device_memory = 1 << 20;
  expect_error(limit, "bytes do not fit into the device's memory, of which", [] {
    Tensor(Shape{1, 1024, 1024, 1}, DType::f32, Device::cuda);
  });
}

TEST_F(DeviceState, MemoryThatWasFreedAndIsKeptCountsAsFree) {
  cuda::use_device(0);
  const int64_t before = cuda::free_bytes(0);
  Tensor(Shape{1, 512, 512, 1}, DType::f32, Device::cuda);
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  EXPECT_EQ(static_cast<int64_t>(free), before - (1 << 20)) << "the pool keeps it";
  EXPECT_EQ(cuda::free_bytes(0), before);
}

TEST_F(DeviceState, WhatFreedMemoryThatIsKeptHoldsInPiecesIsGivenBackBeforeItIsSaidThatThereIsNone) {
  cuda::use_device(0);
  emulation::fail_next("cudaMallocAsync", cudaErrorMemoryAllocation);
  const Tensor x = Tensor::zeros({1, 9, 9, 8}, Device::cuda);
  EXPECT_EQ(x.to(Device::cpu).to_vector(), std::vector<float>(9 * 9 * 8));
}

TEST_F(DeviceState, AFailedKernelIsSaidWithOperationAndShapes) {
  const Tensor x = Tensor::zeros({1, 9, 9, 8}, Device::cuda), w = Tensor::zeros({8, 3, 3, 8}, Device::cuda);
  for (const int launch : {0, 1}) {  // the first packs the weights
    emulation::fail_next("cudaLaunchKernel", cudaErrorIllegalAddress, launch);
    expect_error(device, "conv2d of [1, 9, 9, 8] with weights [8, 3, 3, 8]: ", [&] {
      conv2d(x, w, {}, {.pad_begin = 1, .pad_end = 1});
    });
  }
  emulation::fail_next("cudaLaunchKernel", cudaErrorIllegalAddress);
  expect_error(device, "add of [1, 9, 9, 8]: ", [&] { add(x, x); });
}

TEST_F(DeviceState, AFailureThatComesLateTellsHowToFindIt) {
  emulation::options().late = true;
  const Tensor x = Tensor::zeros({1, 9, 9, 8}, Device::cuda);
  emulation::fail_next("cudaStreamSynchronize", cudaErrorLaunchFailure);
  expect_error(device, "CUDA_LAUNCH_BLOCKING=1", [&] { x.to(Device::cpu); });
}

}  // namespace
}  // namespace sr
