// The convolutions of the network and their gradients, as the CUDA kernels and as cuDNN are asked for them.
#pragma once

#include <string>
#include <vector>

#include "bench/cuda/cudnn_problem.h"
#include "tensor/cuda/device.h"
#include "tensor/tensor.h"

namespace sr::bench {

struct LayerSize {
  const char* name;
  int64_t n, side;  ///< low-resolution pixels: n images of side x side
};
inline constexpr LayerSize kTileSize{"1 x 512 x 512", 1, 512}, kBatchSize{"64 x 29 x 29", 64, 29};

/// One operation of one layer.
struct LayerCase {
  std::string layer, what;  ///< "conv1 64->48"; "forward", "grad input" or "grad weight"
  LayerSize size = kTileSize;
  cuda::Precision precision = cuda::Precision::fp32;
  cuda::ConvOp op = cuda::ConvOp::conv2d;  ///< the upsampler's forward pass is a grad_input
  cuda::ConvDims dims;                     ///< pitches as in the network, where layers read channel views
  cuda::ConvTypes types;
  bool bias = false;
  float leak = 1;
  std::vector<int64_t> added = {};  ///< channels of the tensors that are added to the result

  double multiply_adds() const;
  /// Bytes of every tensor that is read or written, once each, as it is stored.
  double bytes() const;
};

/// All layers at `size`, an operation at a time. Left out: the first layer's input gradient, which nobody
/// asks for, and the upsampler's bias, which cuDNN cannot add.
std::vector<LayerCase> layer_cases(const LayerSize& size, cuda::Precision precision, const std::string& what);

/// A case with numbers in the device's memory.
class LayerRun {
 public:
  /// Errors: device, limit.
  explicit LayerRun(const LayerCase& layer);

  /// Starts our kernels on the thread's stream.
  void run();
  /// Brings the weights into the order in which run() reads them, once more; nothing for grad_weight.
  void pack();
  const char* kernel() const;

  /// The same for cuDNN.
  CudnnProblem problem() const;
  /// Its tensors: values as ours, the image of the first and last layer stored as all others. So is a weight
  /// gradient, which is float32 in ours: cuDNN has no engine that reads 16 bits and writes 32.
  CudnnOperands operands();
  /// Largest difference between cuDNN's result and ours in up to 256 rows, relative to the largest value.
  double difference();

 private:
  Tensor& result() {
    return layer_.op == cuda::ConvOp::conv2d ? y_ : layer_.op == cuda::ConvOp::grad_input ? x_ : w_;
  }
  int64_t more() const;

  LayerCase layer_;
  Tensor x_, w_, y_, bias_;  // ours
  std::vector<Tensor> added_;
  Tensor workspace_;  // packed weights or partial sums
  Tensor reference_x_, reference_w_, reference_y_, reference_bias_, reference_added_, raw_, reference_;
  std::vector<float> ours_;  // what cuDNN's result is compared with
};

}  // namespace sr::bench
