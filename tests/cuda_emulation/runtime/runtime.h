// The parts that the emulated calls of the CUDA runtime are made of.
#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <string>

namespace sr::emulation {

/// Work of the device; what it gives is what a later synchronisation gives. cudaErrorNotReady: it waits for
/// another device, and is to be called again.
using Work = std::function<cudaError_t()>;

/// What fail_next() asks of this call, else cudaSuccess.
cudaError_t injected_error(const char* call);

/// Keeps an error for cudaGetLastError() and gives it back.
cudaError_t keep(cudaError_t status);

/// Puts work at the end of a stream: it runs now, or late (Options::late), or is captured into a graph.
/// `call` is the name of the function that asks for it.
cudaError_t start(const char* call, cudaStream_t stream, Work work);

/// The calling thread's.
int device();

/// Runs what is in a stream, or in all of the thread's device, waiting for other devices, and gives the first
/// error since the last call.
cudaError_t finish(cudaStream_t stream);
cudaError_t finish_all();

/// Whether a stream is being captured, which forbids calls that wait or allocate.
bool capturing();

/// The first of take_errors(), or nothing.
std::string first_error();

}  // namespace sr::emulation
