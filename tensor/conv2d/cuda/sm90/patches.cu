#include "tensor/conv2d/cuda/sm90/patches.h"

#include <vector>

#include "tensor/conv2d/cuda/operand_types.h"

namespace sr::cuda {
namespace {

int64_t bytes(const ConvProblem& p, const ConvDevice& device) {
  int64_t bytes = 0;
  if (device.wgmma && p.aligned() && p.op != ConvOp::grad_weight && p.types.x == p.types.y)
    with_operand(p.types.math, [&](auto t) {
      if (p.types.y == kStorage<decltype(t)>) patches_conv_bytes<decltype(t)>(p.run, &bytes);
    });
  return bytes;
}

void pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  std::vector<PatchTask> patches;
  for (const PackTask& task : tasks) {
    const ConvRun run = conv_run(task.op, task.dims);
    patches.push_back({weight_view(task.op, task.dims, task.weight), run.kh, run.c, run.o, task.packed});
  }
  if (!tasks.empty())
    with_operand(tasks.front().types.math,
                 [&](auto t) { pack_patches<decltype(t)>(patches, device.stream); });
}

void conv(const ConvProblem& p, const void* x, const void* packed, const ConvEpilogue& epilogue, void* y,
          const ConvDevice& device) {
  with_operand(p.types.math,
               [&](auto t) { patches_conv<decltype(t)>(p.run, x, packed, epilogue, y, device); });
}

}  // namespace

const ConvAlgorithm kPatches{"patches", bytes, pack, conv, nullptr};

}  // namespace sr::cuda
