// CUDA kernels on the host: what a test sees of it. docs/cuda_emulation.md tells how it works.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sr::emulation {

/// In which order threads and blocks run between two barriers. A correct kernel gives the same in all of
/// them.
enum class Schedule { forward, reverse, random };

struct Options {
  Schedule schedule = Schedule::forward;
  uint64_t seed = 1;  ///< of Schedule::random
  int workers = 0;    ///< threads that blocks are dealt to; 0: one per processor

  /// A stream's work runs only when something waits for it, so that what is not waited for is missing. Errors
  /// of kernels then come from the call that waits. False: work runs within the call that asks for it.
  bool late = false;

  int devices = 1;                    ///< 0: cudaErrorNoDevice
  std::vector<int> capabilities{90};  ///< 10 major + minor, of each device; the last one's of all others
  int multiprocessors = 4;            ///< few: blocks that take tile after tile then take many
  size_t shared_memory_limit = 227 * 1024;  ///< per block, static and dynamic; sm_90 (sm_80: 163 KiB)
  size_t device_memory = size_t{1} << 30;   ///< of all allocations together
};

/// Holds from the next call on. A program begins with so many devices as the environment's SR_EMULATED_GPUS
/// says, else none, all of the capability that SR_EMULATED_CAPABILITY says (80, 90, ...), else 9.0.
Options& options();

/// What went wrong in the launches since the last call, a line each (at most 100), and forgets it. A launch
/// with an error also gives cudaErrorLaunchFailure, whose text holds the first one.
std::vector<std::string> take_errors();

/// Counts over the kernels that have been launched and the blocks that have run.
struct Statistics {
  uint64_t launches = 0;
  uint64_t mma = 0;                 ///< 16 x 8 tiles times a column of k
  uint64_t wgmma = 0;               ///< instructions, by each warp
  uint64_t ldmatrix = 0;            ///< instructions, of four matrices each
  uint64_t ldmatrix_conflicts = 0;  ///< rows whose bank another row of the same matrix has taken
  uint64_t switches = 0;            ///< from thread to thread
  uint64_t barriers = 0;            ///< of whole blocks
};
Statistics take_statistics();

/// The call of this name after the next `skip` ones does nothing and gives `error`: fail_next("cudaMalloc",
/// cudaErrorMemoryAllocation). Kernels are started by "cudaLaunchKernel". What is asked before and has not
/// come is forgotten.
void fail_next(const std::string& call, cudaError_t error, int skip = 0);

/// Whether a file compiled with -fsanitize=thread is linked in, so that races are searched.
bool finds_races();

}  // namespace sr::emulation
