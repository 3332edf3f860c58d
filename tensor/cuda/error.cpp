#include "tensor/cuda/error.h"

#include "tensor/error.h"

namespace sr::gpu {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the runtime keeps the last error for whoever asks next; it has been reported here
  const auto kind = status == cudaErrorMemoryAllocation ? Error::Kind::limit : Error::Kind::device;
  throw Error(kind, what, ": CUDA says '", cudaGetErrorString(status), "' (", cudaGetErrorName(status), ")");
}

}  // namespace sr::gpu
