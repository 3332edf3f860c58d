// What the checks of conv2d.cpp hand to the CUDA kernels: pointers into the device's memory, sizes, a stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <span>

#include "tensor/cuda/view.h"
#include "tensor/shape.h"

namespace sr::cuda {

/// How products are formed; sums are float32 in all of them. tf32, bf16 and fp16 are for the tensor cores,
/// which take the operands rounded to that type.
enum class Math { fp32, tf32, bf16, fp16 };

/// pointwise: the 1x1 convolution at the end of conv2d_then_pointwise.
enum class ConvOp { conv2d, grad_input, grad_weight, pointwise };

/// What runs on the device.
enum class ConvKernel {
  plain,            ///< any shape and storage, on the float32 units
  tiled,            ///< 3x3, 1x1 and 17x17 with IDN's and its gradients' shapes in float32, on those units
  image,            ///< 3x3 from one channel, on the float32 units
  tensor,           ///< 3x3 and 1x1 with the shapes of IDN and of their gradients, on the tensor cores
  subpixel,         ///< 17x17 with stride 2, 3 or 4 between an image and 64 channels, on the tensor cores
  strips,           ///< 3x3 of one image with IDN's shapes, on the tensor cores of compute capability 9.0
  patches,          ///< 3x3 and 1x1 with those and their gradients' shapes, there, for batches and TF32
  subpixel_strips,  ///< 17x17 from one image's 64 channels to an image, there
};

/// Sizes of the convolution y = conv2d(x), as in conv2d.h; its gradients are described by the same. Pitches
/// count elements from pixel to pixel.
struct ConvDims {
  int64_t n = 0, h = 0, w = 0, c = 0;  // x
  int64_t oh = 0, ow = 0, o = 0;       // y
  int64_t kh = 0, kw = 0;
  int64_t stride = 1, pad_h = 0, pad_w = 0, groups = 1;  // pad at the beginning; the end follows from oh, ow
  int64_t x_pitch = 0, y_pitch = 0;
  bool operator==(const ConvDims&) const = default;
};

/// DType of x (or its gradient) and y (or its gradient). Weights, their gradients and biases are float32.
struct ConvTypes {
  DType x = DType::f32, y = DType::f32;
  Math math = Math::fp32;
  bool operator==(const ConvTypes&) const = default;
};

struct ChannelView {
  const void* data = nullptr;
  int64_t pitch = 0, c = 0;
};

/// What happens to a sum before it is stored: v = sum + bias[channel]; v = v > 0 ? v : leak * v; own = v;
/// v += added; v *= mask > 0 ? 1 : mask_leak. Added tensors (whose channels make up the result's together)
/// and the mask are stored as the result is, and so is `own`, a second result, which the kernels `image` and
/// `strips` do not write. Between the activation and what follows v is rounded to the storage type, so that
/// the bits are those of separate passes.
struct ConvEpilogue {
  const float* bias = nullptr;
  float leak = 1;
  View own;
  ChannelView added[2];
  ChannelView mask;
  float mask_leak = 1;
};

/// The 1x1 convolution that follows: its weights, packed for ConvOp::pointwise, and its end.
struct Pointwise {
  const void* packed = nullptr;
  const float* bias = nullptr;
  float leak = 1;
  int64_t y_pitch = 0;
};

struct ConvDevice {
  cudaStream_t stream = nullptr;
  int multiprocessors = 132;          ///< decides how many blocks are started, never a bit of the result
  int64_t shared_bytes = 163 * 1024;  ///< that a block may have; sm_80's
  bool wgmma = false;                 ///< whether it has the instructions of tensor/cuda/hopper.h
  /// Whether packed weights and biases were there before the last kernel in the stream: they may then be read
  /// while it still runs.
  bool packed_before = false;
};

/// The kernel that an operation takes. Depends on nothing else (of the device: on its shared memory and
/// wgmma; of the image's size: on whether there is one image or several), so that packed weights fit and all
/// tiles of a scene take the same.
ConvKernel conv2d_kernel(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device);

/// Bytes that `packed` (conv2d, grad_input, pointwise) or `partial` (grad_weight, of that many layers) of the
/// operation must hold.
int64_t conv2d_workspace(ConvOp op, const ConvDims& dims, const ConvTypes& types, const ConvDevice& device,
                         int layers = 1);

/// A weight [o,kh,kw,c/groups] and the memory for the order in which the operation (not grad_weight) reads
/// it.
struct PackTask {
  ConvOp op = ConvOp::conv2d;
  ConvDims dims;
  ConvTypes types;
  const float* weight = nullptr;
  void* packed = nullptr;
};

/// Brings weights into order, those for the tensor cores with few launches.
void conv2d_pack(std::span<const PackTask> tasks, const ConvDevice& device);

/// One weight.
inline void conv2d_pack(ConvOp op, const ConvDims& dims, const ConvTypes& types, const float* weight,
                        void* packed, const ConvDevice& device) {
  const PackTask one{op, dims, types, weight, packed};
  conv2d_pack({&one, 1}, device);
}

// Tensors (views, added tensors, masks, second results too) begin at multiples of 16 bytes, and unless the
// kernel is `plain` the pitches of all those and the channels of the first added one are multiples of 16
// bytes. The terms of a value are added in an order that depends on the weights' shape, the types, the kernel
// and, for grad_weight, the sizes of x and the number of layers only.

/// y = conv2d(x).
void conv2d(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
            const ConvEpilogue& epilogue, void* y, const ConvDevice& device);

/// Whether two convolutions, the second of the first's result, can be conv2d_then_pointwise(). first_added:
/// channels of the first of two added tensors.
bool fuses_pointwise(const ConvDims& first, int64_t first_added, const ConvDims& then, const ConvTypes& types,
                     const ConvDevice& device);

/// y = the 1x1 convolution of conv2d(x), whose values are rounded to the storage type and not stored.
void conv2d_then_pointwise(const ConvDims& dims, const ConvTypes& types, const void* x, const void* packed,
                           const ConvEpilogue& epilogue, const Pointwise& then, void* y,
                           const ConvDevice& device);

/// dx = gradient of sum(dy * conv2d(x)) for x. With a bias it is the transposed convolution of dy.
void conv2d_grad_input(const ConvDims& dims, const ConvTypes& types, const void* dy, const void* packed,
                       const ConvEpilogue& epilogue, void* dx, const ConvDevice& device);

/// The tensors of a weight gradient.
struct GradWeightTask {
  const void* x = nullptr;
  const void* dy = nullptr;
  float* dw = nullptr;  // [o,kh,kw,c/groups]
};
constexpr int kMostGradWeights = 8;  ///< that one launch computes

/// dw = gradient of sum(dy * conv2d(x)) for the weight, of up to kMostGradWeights layers with the same sizes
/// together.
void conv2d_grad_weights(const ConvDims& dims, const ConvTypes& types, std::span<const GradWeightTask> layers,
                         void* partial, const ConvDevice& device);

/// That of one layer.
inline void conv2d_grad_weight(const ConvDims& dims, const ConvTypes& types, const void* x, const void* dy,
                               void* partial, float* dw, const ConvDevice& device) {
  const GradWeightTask one{x, dy, dw};
  conv2d_grad_weights(dims, types, {&one, 1}, partial, device);
}

}  // namespace sr::cuda
