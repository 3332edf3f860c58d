// The CUDA runtime, as far as a back end needs it, under its own names: linked in place of libcudart.
#include <cuda_runtime.h>

#include <mutex>
#include <string>

#include "tests/cuda_emulation/emulation.h"
#include "tests/cuda_emulation/memory.h"
#include "tests/cuda_emulation/streams.h"

namespace sr::emulation {
std::string first_error();
namespace {
thread_local cudaError_t t_last_error = cudaSuccess;
cudaError_t keep(cudaError_t e) {
  if (e != cudaSuccess) t_last_error = e;
  return e;
}
}  // namespace
cudaError_t enqueue(const char*, cudaStream_t, Work work) {
  const DeviceRuns runs;
  return keep(work());
}
}  // namespace sr::emulation
using namespace sr::emulation;
extern "C" {
cudaError_t cudaGetLastError() {
  return std::exchange(t_last_error, cudaSuccess);
}
const char* cudaGetErrorName(cudaError_t) {
  return "error";
}
const char* cudaGetErrorString(cudaError_t e) {
  static std::string s;
  s = e == cudaErrorLaunchFailure ? first_error() : "error";
  return s.c_str();
}
cudaError_t cudaMalloc(void** p, size_t n) {
  *p = allocate_device(n);
  return keep(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* p) {
  return keep(free_device(p) ? cudaSuccess : cudaErrorInvalidValue);
}
}
