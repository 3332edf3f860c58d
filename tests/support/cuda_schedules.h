// Orders of threads and blocks for the tests of kernels.
#pragma once

#include <functional>

namespace sr {

/// Calls f once for each order of threads and blocks that the emulation has (emulated_gpu.cpp is linked in);
/// once on a GPU, whose order is its own (device_needed.cpp is).
void in_every_schedule(const std::function<void()>& f);

}  // namespace sr
