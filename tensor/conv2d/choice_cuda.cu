// Which kernel serves an operation, and the way to it.
#include "tensor/conv2d/choice_cuda.h"

#include <map>
#include <vector>

#include "tensor/conv2d/cuda/image.h"
#include "tensor/conv2d/cuda/plain.h"
#include "tensor/conv2d/cuda/sm80/subpixel.h"
#include "tensor/conv2d/cuda/sm80/tensor.h"
#include "tensor/conv2d/cuda/sm90/patches.h"
#include "tensor/conv2d/cuda/sm90/strips.h"
#include "tensor/conv2d/cuda/tiled.h"

namespace sr::cuda {
namespace {

template <class T>
constexpr DType kStorage = DType::f32;
template <>
constexpr DType kStorage<__nv_bfloat16> = DType::bf16;
template <>
constexpr DType kStorage<__half> = DType::f16;

struct Plan {
  ConvKernel kernel = ConvKernel::plain;
  int64_t bytes = 0;         // of packed weights or partial sums
  FragmentOrder order = {};  // of packed weights of `tensor` and `subpixel`
};

/// Of pack_plain()'s weights.
int64_t packed_bytes(const ConvRun& run) {
  return int64_t{run.kh} * run.kw * (run.c / run.groups) * run.o * 4;
}

/// Makes `plan` that of a tensor-core kernel with operands T if there is one.
template <class T>
void find_tensor_kernel(ConvOp op, const ConvTypes& types, const ConvRun& run, const ConvDevice& device,
                        int layers, Plan* plan) {
  constexpr DType kOwn = kStorage<T>;
  const bool same = types.x == kOwn && types.y == kOwn;
  if (op == ConvOp::grad_weight) {
    if (same && tensor_grad_weight_bytes<T>(run, layers, &plan->bytes))
      plan->kernel = ConvKernel::tensor;
    else if (types.x == DType::f32 && types.y == kOwn &&
             strided_grad_weight_bytes<T>(run, device.shared_bytes, &plan->bytes))
      plan->kernel = ConvKernel::subpixel;
    return;
  }
  const bool strided = types.x == DType::f32 && types.y == kOwn;
  if (same && tensor_conv_order<T>(run, device.shared_bytes, &plan->order))
    plan->kernel = ConvKernel::tensor;
  else if (op == ConvOp::grad_input && types.y == kOwn && subpixel_conv_order<T>(run, &plan->order))
    plan->kernel = ConvKernel::subpixel;
  else if (op == ConvOp::conv2d && strided && strided_conv_order<T>(run, device.shared_bytes, &plan->order))
    plan->kernel = ConvKernel::subpixel;
  else
    return;
  plan->bytes = plan->order.bytes();
}

/// The same for compute capability 9.0: one image is a tile of a scene, and every tile takes the same kernel.
template <class T>
void find_wgmma_kernel(ConvOp op, const ConvTypes& types, const ConvRun& run, Plan* plan) {
  if (types.y != kStorage<T> || op == ConvOp::grad_weight) return;
  const bool same = types.x == types.y, one_half = sizeof(T) == 2 && run.n == 1;
  if (one_half && same && strips_conv_bytes(run, &plan->bytes))
    plan->kernel = ConvKernel::strips;
  else if (one_half && op == ConvOp::grad_input && subpixel_strips_bytes(run, &plan->bytes))
    plan->kernel = ConvKernel::subpixel_strips;
  else if (same && patches_conv_bytes<T>(run, &plan->bytes))
    plan->kernel = ConvKernel::patches;
}

/// Makes `plan` that of a tiled kernel for float32 tensors if there is one. An upsampler's image is read and
/// written by values.
void find_tiled_kernel(ConvOp op, const ConvRun& run, bool x_aligned, bool y_aligned, Plan* plan) {
  if (!(x_aligned && y_aligned)) return;
  if (op == ConvOp::grad_weight)
    plan->bytes = run.stride > 1 ? strided_tiled_grad_weight_bytes(run) : tiled_grad_weight_bytes(run);
  else if (takes_tiled_conv(run) || takes_strided_tiled_conv(run))
    plan->bytes = packed_bytes(run);
  if (plan->bytes > 0) plan->kernel = ConvKernel::tiled;
}

/// Calls f with a value of the tensor cores' operand type, but for fp32.
template <class F>
void with_operand(Math math, F f) {
  if (math == Math::bf16) f(__nv_bfloat16());
  if (math == Math::fp16) f(__half());
  if (math == Math::tf32) f(float());
}

/// The same for the 16-bit types only.
template <class F>
void with_half_operand(Math math, F f) {
  if (math == Math::bf16) f(__nv_bfloat16());
  if (math == Math::fp16) f(__half());
}

Plan plan_for(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device,
              int layers = 1) {
  const ConvRun run = conv_run(op, dims);
  const bool x_aligned = dims.x_pitch * bytes_of(types.x) % 16 == 0,
             y_aligned = dims.y_pitch * bytes_of(types.y) % 16 == 0;
  Plan plan;
  if (op == ConvOp::pointwise) return {ConvKernel::strips, pointwise_bytes(), {}};
  if (op != ConvOp::grad_input && takes_image_conv(run) && y_aligned) {
    plan.kernel = ConvKernel::image;
  } else if (y_aligned && (x_aligned || dims.stride > 1)) {  // with a stride, x is read or written by values
    if (device.wgmma)
      with_operand(types.math, [&](auto t) { find_wgmma_kernel<decltype(t)>(op, types, run, &plan); });
    if (plan.bytes == 0)
      with_operand(types.math,
                   [&](auto t) { find_tensor_kernel<decltype(t)>(op, types, run, device, layers, &plan); });
  }
  if (plan.bytes > 0) return plan;
  if (plan.kernel == ConvKernel::plain && types.x == DType::f32 && types.y == DType::f32)
    find_tiled_kernel(op, run, x_aligned || dims.stride > 1, y_aligned, &plan);
  if (plan.bytes > 0) return plan;
  if (op != ConvOp::grad_weight)
    plan.bytes = packed_bytes(run);
  else
    plan.bytes =
        plan.kernel == ConvKernel::image ? image_grad_weight_bytes(run) : plain_grad_weight_bytes(run);
  return plan;
}

void run_conv(ConvOp op, const ConvDims& dims, const ConvTypes& types, const void* from, const void* packed,
              const ConvEpilogue& epilogue, void* to, const ConvDevice& device) {
  const ConvRun run = conv_run(op, dims);
  const DType read = op == ConvOp::conv2d ? types.x : types.y,
              written = op == ConvOp::conv2d ? types.y : types.x;
  switch (plan_for(op, dims, types, device).kernel) {
    case ConvKernel::plain:
      return plain_conv(run, read, written, from, static_cast<const float*>(packed), epilogue, to,
                        device.stream);
    case ConvKernel::tiled:
      return (run.stride > 1 ? strided_tiled_conv : tiled_conv)(run, from, static_cast<const float*>(packed),
                                                                epilogue, to, device.stream);
    case ConvKernel::image:
      return image_conv(run, types, from, static_cast<const float*>(packed), epilogue, to, device);
    case ConvKernel::tensor:
      return with_operand(types.math,
                          [&](auto t) { tensor_conv<decltype(t)>(run, from, packed, epilogue, to, device); });
    case ConvKernel::subpixel:
      return with_operand(types.math, [&](auto t) {
        if (op == ConvOp::conv2d)
          strided_conv<decltype(t)>(run, from, packed, epilogue, to, device);
        else
          subpixel_conv<decltype(t)>(run, written, from, packed, epilogue, to, device);
      });
    case ConvKernel::subpixel_strips:
      return with_half_operand(types.math, [&](auto t) {
        subpixel_strips<decltype(t)>(run, written, from, packed, epilogue, to, device);
      });
    case ConvKernel::strips:
      return with_half_operand(
          types.math, [&](auto t) { strips_conv<decltype(t)>(run, from, packed, epilogue, to, device); });
    case ConvKernel::patches:
      return with_operand(
          types.math, [&](auto t) { patches_conv<decltype(t)>(run, from, packed, epilogue, to, device); });
  }
}

/// Packs a weight with a launch of its own.
void pack_alone(const PackTask& task, ConvKernel kernel, const ConvRun& run, const WeightView& view,
                cudaStream_t stream) {
  if (kernel != ConvKernel::strips && kernel != ConvKernel::subpixel_strips)
    return pack_plain(view, run, static_cast<float*>(task.packed), stream);
  with_half_operand(task.types.math, [&](auto t) {
    auto* const to = static_cast<decltype(t)*>(task.packed);
    if (kernel == ConvKernel::subpixel_strips)
      pack_subpixel_strips(view, run, to, stream);
    else if (task.op == ConvOp::pointwise)
      pack_pointwise(task.weight, to, stream);
    else
      pack_strips(view, run, to, stream);
  });
}

/// Weights that are packed together, of one Math.
struct Together {
  std::vector<FragmentTask> fragments;
  std::vector<PatchTask> patches;
};

}  // namespace

ConvKernel conv2d_kernel(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device) {
  return plan_for(op, dims, types, device).kernel;
}

int64_t conv2d_workspace(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device,
                         int layers) {
  return plan_for(op, dims, types, device, layers).bytes;
}

void conv2d_pack(std::span<const PackTask> tasks, const ConvDevice& device) {
  std::map<Math, Together> together;
  for (const PackTask& task : tasks) {
    const Plan plan = plan_for(task.op, task.dims, task.types, device);
    const ConvRun run = conv_run(task.op, task.dims);
    WeightView view = weight_view(task.op, task.dims, task.weight);
    Together& lists = together[task.types.math];
    if (plan.kernel == ConvKernel::patches) {
      lists.patches.push_back({view, run.kh, run.c, run.o, task.packed});
    } else if (plan.kernel == ConvKernel::tensor || plan.kernel == ConvKernel::subpixel) {
      if (plan.order.taps == 1 && run.kh * run.kw > 1) {  // all terms as input channels of one tap
        view.cg *= view.kh * view.kw;
        view.kh = view.kw = 1;
      }
      lists.fragments.push_back({view, plan.order, run.kw + plan.order.pixels - 1, task.packed});
    } else {
      pack_alone(task, plan.kernel, run, view, device.stream);
    }
  }
  for (const auto& [math, lists] : together)
    with_operand(math, [&](auto t) {
      pack_fragments<decltype(t)>(lists.fragments, device.stream);
      pack_patches<decltype(t)>(lists.patches, device.stream);
    });
}

void conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
            const ConvEpilogue& epilogue, void* y, const ConvDevice& device) {
  run_conv(ConvOp::conv2d, dims, types, x, packed, epilogue, y, device);
}

bool fuses_pointwise(const ConvDims& first, int64_t first_added, const ConvDims& then, const ConvTypes& types,
                     const ConvDevice& device) {
  return conv2d_kernel(ConvOp::conv2d, first, types, device) == ConvKernel::strips &&
         then.y_pitch * bytes_of(types.y) % 16 == 0 &&
         takes_pointwise(conv_run(ConvOp::conv2d, first), first_added, conv_run(ConvOp::conv2d, then));
}

void conv2d_then_pointwise(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
                           const ConvEpilogue& epilogue, const Pointwise& then, void* y,
                           const ConvDevice& device) {
  with_half_operand(types.math, [&](auto t) {
    pointwise_conv<decltype(t)>(conv_run(ConvOp::conv2d, dims), x, packed, epilogue, then, y, device);
  });
}

void conv2d_grad_input(const ConvDims& dims, const ConvTypes& types, const void* dy, const void* packed,
                       const ConvEpilogue& epilogue, void* dx, const ConvDevice& device) {
  run_conv(ConvOp::grad_input, dims, types, dy, packed, epilogue, dx, device);
}

void conv2d_grad_weights(const ConvDims& dims, const ConvTypes& types, std::span<const GradWeightTask> layers,
                         void* partial, const ConvDevice& device) {
  const ConvRun run = conv_run(ConvOp::grad_weight, dims);
  const ConvKernel kernel = plan_for(ConvOp::grad_weight, dims, types, device).kernel;
  if (kernel == ConvKernel::tensor)
    return with_operand(types.math,
                        [&](auto t) { tensor_grad_weights<decltype(t)>(run, layers, partial, device); });
  auto* const parts = static_cast<float*>(partial);
  for (const GradWeightTask& l : layers) {  // one after the other in the same memory
    if (kernel == ConvKernel::plain)
      plain_grad_weight(run, types, l.x, l.dy, parts, l.dw, device.stream);
    else if (kernel == ConvKernel::tiled && run.stride > 1)
      strided_tiled_grad_weight(run, l.x, l.dy, parts, l.dw, device.stream);
    else if (kernel == ConvKernel::tiled)
      tiled_grad_weight(run, l.x, l.dy, parts, l.dw, device.stream);
    else if (kernel == ConvKernel::image)
      image_grad_weight(run, types, l.x, l.dy, parts, l.dw, device.stream);
    else
      with_operand(types.math, [&](auto t) {
        strided_grad_weight<decltype(t)>(run, l.x, l.dy, partial, l.dw, device.stream);
      });
  }
}

}  // namespace sr::cuda
