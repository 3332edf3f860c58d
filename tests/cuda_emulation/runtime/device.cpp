// The CUDA runtime under its own names, linked in place of libcudart: devices and errors.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/runtime/runtime.h"

namespace sr::emulation {

namespace {

constexpr int kThreadsPerMultiprocessor = 2048;
constexpr size_t kReservedPerBlock = 1024;  // of shared memory, by the device

thread_local cudaError_t t_last_error = cudaSuccess;
thread_local int t_device = 0;  // all devices are the same memory and processors

struct Failure {
  std::string call;
  cudaError_t error = cudaSuccess;
  int skip = 0;
};
std::mutex g_mutex;
Failure g_failure;

}  // namespace

int device() {
  return t_device;
}

void fail_next(const std::string& call, cudaError_t error, int skip) {
  const std::lock_guard lock(g_mutex);
  g_failure = {call, error, skip};
}

cudaError_t injected_error(const char* call) {
  const std::lock_guard lock(g_mutex);
  if (g_failure.call != call || g_failure.skip-- > 0) return cudaSuccess;
  return std::exchange(g_failure, {}).error;
}

cudaError_t keep(cudaError_t status) {
  if (status != cudaSuccess) t_last_error = status;
  return status;
}

namespace {

// Begins a call that needs a device.
cudaError_t begin(const char* call) {
  const cudaError_t injected = injected_error(call);
  if (injected != cudaSuccess) return injected;
  return options().devices > 0 ? cudaSuccess : cudaErrorNoDevice;
}

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};
const ErrorText& text_of(cudaError_t error) {
  static constexpr ErrorText other = {cudaErrorUnknown, "unrecognized error code", "unrecognized error code"};
  const auto found =
      std::find_if(std::begin(kErrors), std::end(kErrors), [&](const auto& e) { return e.error == error; });
  return found != std::end(kErrors) ? *found : other;
}

}  // namespace

}  // namespace sr::emulation

using namespace sr::emulation;

extern "C" {

cudaError_t cudaGetLastError() {
  return std::exchange(t_last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  return t_last_error;
}

const char* cudaGetErrorName(cudaError_t error) {
  return text_of(error).name;
}

// Of a failed kernel it tells what the emulation found.
const char* cudaGetErrorString(cudaError_t error) {
  thread_local std::string finding;
  finding = first_error();
  return error == cudaErrorLaunchFailure && !finding.empty() ? finding.c_str() : text_of(error).text;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  const cudaError_t status = begin("cudaGetDeviceCount");
  if (status == cudaSuccess) *count = options().devices;
  return keep(status);
}

cudaError_t cudaSetDevice(int device) {
  const cudaError_t status = begin("cudaSetDevice");
  if (status != cudaSuccess) return keep(status);
  if (device < 0 || device >= options().devices) return keep(cudaErrorInvalidDevice);
  t_device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = t_device;
  return keep(begin("cudaGetDevice"));
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const cudaError_t status = begin("cudaGetDeviceProperties");
  if (status != cudaSuccess) return keep(status);
  if (device < 0 || device >= options().devices) return keep(cudaErrorInvalidDevice);
  cudaDeviceProp p{};
  const std::vector<int>& all = options().capabilities;
  const int capability = all[std::min(static_cast<size_t>(device), all.size() - 1)];
  std::snprintf(p.name, sizeof(p.name), "CUDA emulation of sm_%d", capability);
  p.totalGlobalMem = options().device_memory;
  p.major = capability / 10;
  p.minor = capability % 10;
  p.multiProcessorCount = options().multiprocessors;
  p.sharedMemPerBlock = 48 * 1024;
  p.sharedMemPerBlockOptin = options().shared_memory_limit;
  p.sharedMemPerMultiprocessor = options().shared_memory_limit + kReservedPerBlock;
  p.reservedSharedMemPerBlock = kReservedPerBlock;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsPerMultiProcessor = kThreadsPerMultiprocessor;
  p.warpSize = 32;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.memoryPoolsSupported = 1;
  p.pciBusID = device;
  *properties = p;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  const cudaError_t status = cudaGetDeviceProperties(&p, device);
  if (status != cudaSuccess) return status;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = p.multiProcessorCount;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = p.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(p.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = p.memoryPoolsSupported;
      break;
    default:
      return keep(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return keep(injected_error("cudaDriverGetVersion"));
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return keep(injected_error("cudaRuntimeGetVersion"));
}

// By threads and shared memory; how many registers a kernel takes is not known here.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          size_t shared_bytes) {
  const cudaError_t status = begin("cudaOccupancyMaxActiveBlocksPerMultiprocessor");
  if (status != cudaSuccess) return keep(status);
  if (threads < 1) return keep(cudaErrorInvalidValue);
  const size_t by_memory =
      (options().shared_memory_limit + kReservedPerBlock) / (shared_bytes + kReservedPerBlock);
  *blocks = std::min({kThreadsPerMultiprocessor / threads, static_cast<int>(by_memory), 32});
  return cudaSuccess;
}

}  // extern "C"
