// Streams: what has been asked of the device and when it is done.
#pragma once

#include <cuda_runtime.h>

#include <functional>

namespace sr::emulation {

/// Work of the device; what it gives is what a later synchronisation gives.
using Work = std::function<cudaError_t()>;

/// Puts work at the end of a stream; `call` is the name errors are injected by (fail_next).
cudaError_t enqueue(const char* call, cudaStream_t stream, Work work);

}  // namespace sr::emulation
