// The emulation of the CUDA runtime: what a back end's mistakes with streams, memory and errors look like in
// it.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "tensor/cuda/gpu.h"
#include "tests/cuda_emulation/emulation.h"
#include "tests/support/device_array.h"
#include "tests/support/expect_error.h"
#include "tests/support/instrumented.h"

namespace sr {
namespace {

__global__ void add(int* p, int n, int x) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) p[i] += x;
}

void add_on(cudaStream_t stream, DeviceArray<int>& a, int x) {
  const int n = static_cast<int>(a.size());
  gpu::launch(add, dim3(2), dim3(32), 0, stream, a.data(), n, x);
}

const std::vector<int> kZeros(50, 0);

// Memory of the host that copies reach without waiting.
struct Pinned {
  Pinned() { gpu::check(cudaMallocHost(&data, 100 * sizeof(int)), "Pinned"); }
  ~Pinned() { cudaFreeHost(data); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  int* data = nullptr;
};

class CudaRuntime : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
  }
  void TearDown() override {
    cudaDeviceSynchronize();
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    emulation::options() = {};
    emulation::fail_next("", cudaSuccess);
    emulation::take_errors();
    cudaGetLastError();
  }

  void copy_out(int* to, const DeviceArray<int>& a) {
    ASSERT_EQ(cudaMemcpyAsync(to, a.data(), a.size() * sizeof(int), cudaMemcpyDeviceToHost, stream_),
              cudaSuccess);
  }

  cudaStream_t stream_ = nullptr;
};

TEST_F(CudaRuntime, CopiesGoThereAndBack) {
  std::vector<int> values(60);
  std::iota(values.begin(), values.end(), 0);
  DeviceArray<int> a(values), b(60);
  EXPECT_EQ(cudaMemcpy(b.data(), a.data(), 240, cudaMemcpyDeviceToDevice), cudaSuccess);
  EXPECT_EQ(b.to_vector(), values);
  EXPECT_EQ(cudaMemset(b.data() + 10, 0, 40), cudaSuccess);
  std::vector<int> window(6, -1);  // two rows of three, out of rows of ten
  EXPECT_EQ(cudaMemcpy2D(window.data(), 12, b.data() + 18, 40, 12, 2, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(window, (std::vector<int>{0, 0, 20, 28, 29, 30}));
}

TEST_F(CudaRuntime, CopiesThatCannotBeAreRefused) {
  DeviceArray<int> a(kZeros);
  std::vector<int> host(60);
  EXPECT_EQ(cudaMemcpy(host.data(), a.data(), 204, cudaMemcpyDeviceToHost),
            cudaErrorInvalidValue);  // 200 are there
  EXPECT_EQ(cudaMemcpy(host.data(), a.data() + 1, 200, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), a.data(), 200, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(host.data(), 0, 4), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(CudaRuntime, LateWorkIsMissingUntilItIsWaitedFor) {
  for (const bool late : {false, true}) {
    emulation::options().late = late;
    DeviceArray<int> a(kZeros);
    Pinned out;
    out.data[0] = -1;
    add_on(stream_, a, 3);
    copy_out(out.data, a);
    EXPECT_EQ(out.data[0], late ? -1 : 3);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(out.data[0], 3);
  }
}

TEST_F(CudaRuntime, OnlyPageableMemoryIsReadWithinTheCall) {
  emulation::options().late = true;
  std::vector<int> pageable(50, 1);
  Pinned pinned, out;
  pinned.data[0] = 1;
  DeviceArray<int> a(50), b(50);
  EXPECT_EQ(cudaMemcpyAsync(a.data(), pageable.data(), 200, cudaMemcpyHostToDevice, stream_), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(b.data(), pinned.data, 200, cudaMemcpyHostToDevice, stream_), cudaSuccess);
  pageable[0] = pinned.data[0] = 2;  // the second one too early
  copy_out(out.data, a);
  copy_out(out.data + 1, b);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(out.data[0], 1);
  EXPECT_EQ(out.data[1], 2);
  std::vector<int> back(50);
  copy_out(back.data(), b);
  EXPECT_EQ(back[0], 2);  // pageable memory is written within the call
}

TEST_F(CudaRuntime, EventsOrderStreams) {
  emulation::options().late = true;
  for (const bool waits : {false, true}) {
    cudaStream_t other = nullptr;
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
    DeviceArray<int> a(kZeros);
    Pinned out;
    add_on(other, a, 3);
    EXPECT_EQ(cudaEventRecord(event, other), cudaSuccess);
    add_on(other, a, 4);
    if (waits) {
      EXPECT_EQ(cudaStreamWaitEvent(stream_, event, 0), cudaSuccess);
    }
    copy_out(out.data, a);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(out.data[0], waits ? 3 : 0);
    EXPECT_EQ(cudaEventQuery(event), waits ? cudaSuccess : cudaErrorNotReady);
    EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
    EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
    EXPECT_EQ(cudaStreamQuery(other), cudaErrorNotReady);
    EXPECT_EQ(cudaStreamDestroy(other), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(a.to_vector()[0], 7);
  }
}

TEST_F(CudaRuntime, ElapsedTimeIsKnownOnceTheDeviceCameBy) {
  emulation::options().late = true;
  cudaEvent_t from = nullptr, to = nullptr;
  ASSERT_EQ(cudaEventCreate(&from), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&to), cudaSuccess);
  cudaEventRecord(from, stream_);
  cudaEventRecord(to, stream_);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, from, to), cudaErrorNotReady);
  cudaEventSynchronize(to);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, from, to), cudaSuccess);
  EXPECT_GE(milliseconds, 0);
  cudaEventDestroy(from);
  cudaEventDestroy(to);
}

TEST_F(CudaRuntime, DefaultStreamWaitsForBlockingStreamsOnly) {
  emulation::options().late = true;
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  DeviceArray<int> a(kZeros), b(kZeros);
  add_on(blocking, a, 3);
  add_on(stream_, b, 3);
  EXPECT_EQ(a.to_vector()[0], 3);  // a copy on the default stream
  EXPECT_EQ(b.to_vector()[0], 0);
  add_on(nullptr, a, 4);
  Pinned out;
  EXPECT_EQ(cudaMemcpyAsync(out.data, a.data(), 200, cudaMemcpyDeviceToHost, blocking), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(out.data[0], 7);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaErrorInvalidResourceHandle);
}

TEST_F(CudaRuntime, MemoryEndsAtItsLimit) {
  size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  const size_t in_use = total - free;
  emulation::options().device_memory = in_use + 1000;
  void *p = nullptr, *q = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 600), cudaSuccess);
  EXPECT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(free, 400u);
  EXPECT_EQ(cudaMallocAsync(&q, 401, stream_), cudaErrorMemoryAllocation);
  EXPECT_EQ(q, nullptr);
  expect_error(Error::Kind::limit, "out of memory", [&] { gpu::check(cudaMalloc(&q, 401), "tensor"); });
  EXPECT_EQ(cudaFreeAsync(p, stream_), cudaSuccess);
  EXPECT_EQ(cudaMallocAsync(&q, 1000, stream_),
            cudaSuccess);  // of the same stream: the room is there at once
  EXPECT_EQ(cudaFree(q), cudaSuccess);
  EXPECT_EQ(cudaFree(q), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(CudaRuntime, MemoryIsFreedWhereTheStreamIs) {
  emulation::options().late = true;
  auto* a = new DeviceArray<int>(kZeros);
  Pinned out;
  add_on(stream_, *a, 3);
  copy_out(out.data, *a);
  EXPECT_EQ(cudaFreeAsync(a->data(), stream_), cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(a->data(), stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(out.data[0], 3);
  delete a;  // whose cudaFree is refused
}

TEST_F(CudaRuntime, CallsFailAsATestAsks) {
  emulation::fail_next("cudaMalloc", cudaErrorMemoryAllocation, 1);
  DeviceArray<int> a(kZeros);
  expect_error(Error::Kind::limit, "DeviceArray: CUDA says 'out of memory'", [] { DeviceArray<int> b(1); });
  emulation::fail_next("cudaLaunchKernel", cudaErrorIllegalAddress);
  expect_error(Error::Kind::device, "add_on: CUDA says 'an illegal memory access was encountered'",
               [&] { add_on(nullptr, a, 1); });
  add_on(nullptr, a, 1);
  EXPECT_EQ(a.to_vector()[0], 1);
}

TEST_F(CudaRuntime, DeviceCanBeAbsent) {
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  cudaDeviceProp properties;
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.major, 9);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  emulation::options().devices = 0;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorNoDevice);
  emulation::options().devices = 1;
}

__global__ void wait_alone() {
  if (threadIdx.x == 0) __syncthreads();
}

TEST_F(CudaRuntime, KernelsMistakeComesWithTheWait) {
  emulation::options().late = true;
  gpu::launch(wait_alone, dim3(1), dim3(32), 0, stream_);
  expect_error(Error::Kind::device, "upscale: CUDA says 'barrier divergence",
               [&] { gpu::check(cudaStreamSynchronize(stream_), "upscale"); });
  emulation::take_errors();
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
}

TEST_F(CudaRuntime, GraphsRunWhatWasCapturedEachTimeTheyAreLaunched) {
  DeviceArray<int> a(kZeros);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  add_on(stream_, a, 3);
  add_on(stream_, a, 4);
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  EXPECT_EQ(a.to_vector()[0], 0);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (const int expected : {7, 14}) {
    EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(a.to_vector()[0], expected);
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
}

TEST_F(CudaRuntime, HostThatReadsTheDevicesMemoryIsSeenByAddressSanitizer) {
  if (!kInstrumented) GTEST_SKIP() << "needs AddressSanitizer";
  DeviceArray<int> a(kZeros);
  EXPECT_DEATH(static_cast<void>(*static_cast<volatile int*>(a.data())), "use-after-poison");
}

}  // namespace
}  // namespace sr
