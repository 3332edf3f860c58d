// What the figures of a CUDA benchmark were measured on.
#pragma once

#include "bench/cuda/timer.h"
#include "io/json_text.h"

namespace sr::bench {

/// Name, multiprocessors, memory, clocks, driver and runtime of the calling thread's device, and the line
/// that nvidia-smi has about it (null without nvidia-smi).
nlohmann::ordered_json cuda_machine();

/// GB/s of a copy within the device's memory, bytes read and bytes written together. Takes 1 GiB.
double copy_bandwidth(cudaStream_t stream, const CudaTimer& timer);

}  // namespace sr::bench
