// What is asked of a CUDA convolution: pointers into the device's memory, sizes, types, a stream.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/cuda/view.h"
#include "tensor/shape.h"

namespace sr::cuda {

/// How products are formed; sums are float32 in all of them. tf32, bf16 and fp16 are for the tensor cores,
/// which take the operands rounded to that type.
enum class Math { fp32, tf32, bf16, fp16 };

/// next: the second convolution of conv2d_then_conv2d.
enum class ConvOp { conv2d, grad_input, grad_weight, next };

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
/// and the mask are stored as the result is, and so is `own`, a second result, which not all algorithms write
/// (ConvAlgorithm::writes_own). Between the activation and what follows v is rounded to the storage type, so
/// that the bits are those of separate passes.
struct ConvEpilogue {
  const float* bias = nullptr;
  float leak = 1;
  View own;
  ChannelView added[2];
  ChannelView mask;
  float mask_leak = 1;
};

/// The convolution that follows in the same kernel: its weights, packed for ConvOp::next, and its end.
struct ConvNext {
  ConvDims dims;
  const void* packed = nullptr;
  const float* bias = nullptr;
  float leak = 1;
};

struct ConvDevice {
  CUstream_st* stream = nullptr;
  int multiprocessors = 132;          ///< decides how many blocks are started, never a bit of the result
  int64_t shared_bytes = 163 * 1024;  ///< that a block may have; sm_80's
  bool wgmma = false;                 ///< whether it has the instructions of tensor/cuda/hopper.h
  /// Whether packed weights and biases were there before the last kernel in the stream: they may then be read
  /// while it still runs.
  bool packed_before = false;
};

/// The convolution that is run for an operation: conv2d itself; for the input's gradient one from dy's grid.
struct ConvRun {
  int n, h, w, c;  // what is read
  int oh, ow, o;   // outputs before the shuffle
  int kh, kw;
  int stride, pad_h, pad_w, groups;
  long long x_pitch, y_pitch;
  int shuffle;   // outputs become shuffle x shuffle pixels of o / shuffle^2 channels
  int y_h, y_w;  // size of what is written; with a shuffle it may end within a coarse pixel
};

ConvRun conv_run(ConvOp op, const ConvDims& dims);

/// Whether an offset within some 32 rows of what is read, and of what is written, fits 32 bits.
inline bool has_short_rows(const ConvRun& r) {
  return std::max(r.w * r.x_pitch, r.ow * r.y_pitch) < (int64_t{1} << 31) / 32;
}

/// Coarse pixels before one of which a fine pixel's taps begin, at the most: of a transposed convolution's
/// rows or columns.
int taps_before(int64_t kernel, int64_t stride, int64_t pad);

/// A convolution as its algorithms see it.
struct ConvProblem {
  ConvOp op;
  ConvDims dims;
  ConvTypes types;
  int layers;  ///< of the same sizes, whose weights' gradients are computed together
  ConvRun run;

  ConvProblem(ConvOp o, const ConvDims& d, const ConvTypes& t, int together = 1)
      : op(o), dims(d), types(t), layers(together), run(conv_run(o, d)) {}

  /// Types of what a convolution reads and writes; not of grad_weight.
  DType read() const { return op == ConvOp::grad_input ? types.y : types.x; }
  DType written() const { return op == ConvOp::grad_input ? types.x : types.y; }

  /// Whether pixels of y, and those of x, lie whole 16-byte units apart.
  bool y_aligned() const { return dims.y_pitch * bytes_of(types.y) % 16 == 0; }
  bool x_aligned() const { return dims.x_pitch * bytes_of(types.x) % 16 == 0; }
  /// Whether a kernel can take both by units; with a stride, x is an image that is read or written by values.
  bool aligned() const { return y_aligned() && (x_aligned() || dims.stride > 1); }
};

/// A weight [o,kh,kw,c/groups] and the memory for the order in which the operation (not grad_weight) reads
/// it.
struct PackTask {
  ConvOp op = ConvOp::conv2d;
  ConvDims dims;
  ConvTypes types;
  const float* weight = nullptr;
  void* packed = nullptr;
};

/// The tensors of a weight gradient, and of the bias's, the sum of dy over the pixels, where one is wanted of
/// an algorithm that adds it up on the way (ConvAlgorithm::grads_bias).
struct GradWeightTask {
  const void* x = nullptr;
  const void* dy = nullptr;
  float* dw = nullptr;  // [o,kh,kw,c/groups]
  float* db = nullptr;  // [o]
};
constexpr int kMostGradWeights = 8;  ///< that one launch computes

}  // namespace sr::cuda
