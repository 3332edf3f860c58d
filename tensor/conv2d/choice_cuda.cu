#include "tensor/conv2d/choice_cuda.h"

#include <algorithm>
#include <vector>

#include "tensor/conv2d/cuda/image.h"
#include "tensor/conv2d/cuda/plain.h"
#include "tensor/conv2d/cuda/sm80/subpixel.h"
#include "tensor/conv2d/cuda/sm80/tensor.h"
#include "tensor/conv2d/cuda/sm90/grad_weight.h"
#include "tensor/conv2d/cuda/sm90/grad_weight_tf32.h"
#include "tensor/conv2d/cuda/sm90/image3x3.h"
#include "tensor/conv2d/cuda/sm90/patches.h"
#include "tensor/conv2d/cuda/sm90/strips.h"
#include "tensor/conv2d/cuda/sm90/subpixel.h"
#include "tensor/conv2d/cuda/tiled.h"

namespace sr::cuda {
namespace {

// The first that serves an operation computes it; the last serves all.
constexpr const ConvAlgorithm* kAlgorithms[] = {
    &kImage3x3,  // of compute capability 9.0
    &kImage,     //
    &kStrips,    // of compute capability 9.0
    &kSubpixelStrips, &kPatches, &kGradWeight, &kGradWeightTf32,
    &kTensor,  // of 8.0 and later
    &kSubpixel,       &kTiled,   &kPlain,
};

struct Chosen {
  const ConvAlgorithm& algorithm;
  int64_t bytes;
};

Chosen choose(const ConvProblem& problem, const ConvDevice& device) {
  for (const ConvAlgorithm* algorithm : kAlgorithms)
    if (const int64_t bytes = algorithm->bytes(problem, device)) return {*algorithm, bytes};
  return {kPlain, 0};  // tensors without elements
}

/// Weights that are packed together.
struct Together {
  decltype(ConvAlgorithm::pack) pack;
  Math math;
  std::vector<PackTask> tasks;
};

}  // namespace

const ConvAlgorithm& conv2d_algorithm(ConvOp op, const ConvDims& dims, const ConvTypes& types,
                                      const ConvDevice& device) {
  return choose({op, dims, types}, device).algorithm;
}

int64_t conv2d_workspace(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device,
                         int layers) {
  return choose({op, dims, types, layers}, device).bytes;
}

void conv2d_pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  std::vector<Together> lists;
  for (const PackTask& task : tasks) {
    const auto pack = conv2d_algorithm(task.op, task.dims, task.types, device).pack;
    auto list = std::ranges::find_if(
        lists, [&](const Together& l) { return l.pack == pack && l.math == task.types.math; });
    if (list == lists.end()) list = lists.insert(list, Together{pack, task.types.math, {}});
    list->tasks.push_back(task);
  }
  for (const Together& list : lists) list.pack(list.tasks, device);
}

void conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
            const ConvEpilogue& epilogue, void* y, const ConvDevice& device) {
  const ConvProblem problem(ConvOp::conv2d, dims, types);
  choose(problem, device).algorithm.conv(problem, x, packed, epilogue, y, device);
}

bool fuses(const ConvDims& first, int64_t first_added, const ConvDims& next, const ConvTypes& types,
           const ConvDevice& device) {
  const ConvProblem problem(ConvOp::conv2d, first, types),
      after(ConvOp::conv2d, next, {types.y, types.y, types.math});
  const ConvAlgorithm& algorithm = choose(problem, device).algorithm;
  return algorithm.fuses && algorithm.fuses(problem, first_added, after);
}

void conv2d_then_conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
                        const ConvEpilogue& epilogue, const ConvNext& next, void* y,
                        const ConvDevice& device) {
  const ConvProblem problem(ConvOp::conv2d, dims, types);
  choose(problem, device).algorithm.conv_then_conv(problem, x, packed, epilogue, next, y, device);
}

void conv2d_grad_input(const ConvDims& dims, const ConvTypes& types, const void* dy, const void* packed,
                       const ConvEpilogue& epilogue, void* dx, const ConvDevice& device) {
  const ConvProblem problem(ConvOp::grad_input, dims, types);
  choose(problem, device).algorithm.conv(problem, dy, packed, epilogue, dx, device);
}

bool conv2d_grads_bias(const ConvDims& dims, const ConvTypes& types, const ConvDevice& device) {
  const ConvProblem problem(ConvOp::grad_weight, dims, types);
  const ConvAlgorithm& algorithm = choose(problem, device).algorithm;
  return algorithm.grads_bias && algorithm.grads_bias(problem);
}

void conv2d_grad_weights(const ConvDims& dims, const ConvTypes& types, std::span<const GradWeightTask> layers,
                         void* partial, const ConvDevice& device) {
  const ConvProblem problem(ConvOp::grad_weight, dims, types, static_cast<int>(layers.size()));
  choose(problem, device).algorithm.grad_weights(problem, layers, partial, device);
}

}  // namespace sr::cuda
