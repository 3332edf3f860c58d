// One convolution or gradient as cuDNN is asked for it.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <functional>
#include <string>

#include "tensor/conv2d/choice_cuda.h"

namespace sr::bench {

/// Errors: device, with what cuDNN says.
void check(cudnnStatus_t status, const char* what);

/// y = conv(x), or a gradient, then + bias, leaky ReLU, + added. All tensors NHWC without gaps, weights
/// [o,kh,kw,c/groups]; h and w are such that the padding is the same on both sides.
struct CudnnProblem {
  cuda::ConvOp op = cuda::ConvOp::conv2d;
  int n = 0, h = 0, w = 0, c = 0, oh = 0, ow = 0, o = 0;
  int kh = 0, kw = 0, stride = 1, pad = 0, groups = 1;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;  ///< of all tensors
  bool tensor_cores = true;                 ///< false: only what multiplies in float32
  bool bias = false, added = false;
  float leak = 1;

  bool has_epilogue() const { return bias || added || leak != 1; }
  int result_channels() const { return op == cuda::ConvOp::grad_input ? c : o; }
  int64_t result_size() const {
    if (op == cuda::ConvOp::grad_weight) return int64_t{o} * kh * kw * (c / groups);
    return op == cuda::ConvOp::grad_input ? int64_t{n} * h * w * c : int64_t{n} * oh * ow * o;
  }
};

/// In the device's memory. One of x, w, y is the result: y of conv2d, x of grad_input, w of grad_weight.
struct CudnnOperands {
  void *x = nullptr, *w = nullptr, *y = nullptr;
  const void *bias = nullptr, *added = nullptr;
  void* raw = nullptr;  ///< the result before an epilogue of its own

  void* result(cuda::ConvOp op) const {
    return op == cuda::ConvOp::conv2d ? y : op == cuda::ConvOp::grad_input ? x : w;
  }
};

/// One way to compute it.
struct CudnnCandidate {
  std::string name;
  int64_t workspace_bytes = 0;
  std::function<void(void* workspace)> run;
};

}  // namespace sr::bench
