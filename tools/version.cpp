#include "tools/version.h"

#include "distributed/mpi_launch.h"
#include "distributed/nccl.h"
#include "tensor/bands/kernels.h"
#include "tensor/cuda/device.h"
#include "tensor/error.h"
#include "tensor/on_cuda.h"
#include "tensor/simd/instruction_set.h"

namespace sr {
namespace {

std::string gpus() {
  if constexpr (cuda::kBuilt) {
    try {
      std::string names;
      for (const int gpu : cuda::usable_devices())
        names += (names.empty() ? "cuda:" : ", cuda:") + std::to_string(gpu) + " " +
                 cuda::device_properties(gpu).name;
      return names;
    } catch (const Error& e) {
      return std::string("none; ") + e.what();
    }
  }
  return "none; this build has no CUDA";
}

std::string bf16() {
  if (bands::has_bf16()) return std::string(", bf16 by ") + name_of(active_simd());
  const std::string refused = why_no_amx();
  return ", no bf16" + (refused.empty() ? "" : "; " + refused);
}

}  // namespace

std::string version_text(const std::string& name) {
  return name + " " + SR_VERSION + " (" + kCommit + ")\nCUDA: " + (cuda::kBuilt ? "yes" : "no") +
         "\ninstruction set: " + name_of(active_float_simd()) + bf16() + "\nGPUs: " + gpus() +
         "\nMPI: " + mpi_modules() +
         "\nNCCL: " + (cuda::kBuilt ? nccl::description() : "none; this build has no CUDA");
}

}  // namespace sr
