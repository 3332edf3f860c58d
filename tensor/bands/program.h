// A network that computes without gradients, as a list of stages between rows of pixels: what is run band by
// band.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace sr::bands {

/// Rows of pixels that stages write and read; made by a Program.
struct Rows {
  int index = -1;
  int64_t channels = 0;
};

/// What becomes of a convolution's sums z.
enum class Activation {
  leaky,  ///< leaky ReLU(z), of slope Stage::leak
  silu,   ///< z * sigmoid(z)
  gate    ///< (z + added) * (sigmoid(z) - 1/2)
};

/// One convolution at stride 1 that keeps the size (zeros outside the image), and what follows it.
struct Stage {
  enum class Kind {
    convolution,  ///< to rows: act(conv + bias) + concat(added), then perhaps a 1x1 convolution of that. If
                  ///< it `joins`, the 1x1 convolution reads concat(act(conv + bias), added) instead
    upsampling    ///< a transposed convolution to the result, `stride` times as large
  };
  Kind kind = Kind::convolution;
  Tensor weight, bias;  ///< [o, k, k, c / groups]; of an upsampling [c, k, k, o]. bias [1, 1, 1, o]
  int64_t groups = 1;
  Activation activation = Activation::leaky;
  float leak = 1;
  Rows from;
  std::vector<Rows> added;  ///< at most kMostAdded, side by side
  bool joins = false;       ///< whether they are joined to the convolution's outputs instead of added
  Tensor pointwise_weight, pointwise_bias;  ///< [p, 1, 1, o], or none
  float pointwise_leak = 1;
  std::vector<Rows> to;          ///< one or two, side by side; of an upsampling none
  int64_t stride = 1, crop = 0;  ///< of an upsampling

  int64_t before = 0, after = 0;  ///< rows above and below an output row that it reads
  int64_t outputs() const { return pointwise_weight ? pointwise_weight.shape().n : weight.shape().n; }
};

constexpr size_t kMostAdded = 3;

/// Stages in the order in which they run: a stage reads what those before it write. The weights' tensors are
/// kept, not copied.
class Program {
 public:
  /// The image's rows: the first to be made.
  Rows image(int64_t channels);

  /// act(conv(x)) with a square odd kernel. Errors: unsupported (the kernel), shape.
  Rows convolution(const Rows& x, const Tensor& weight, const Tensor& bias, float leak, int64_t groups = 1);
  /// The same; the first `split` channels and the others apart.
  std::array<Rows, 2> convolution(const Rows& x, const Tensor& weight, const Tensor& bias, float leak,
                                  int64_t groups, int64_t split);
  /// act(conv1x1(act(conv(x)) + concat(added))).
  Rows convolution_then_pointwise(const Rows& x, const Tensor& weight, const Tensor& bias, float leak,
                                  std::vector<Rows> added, const Tensor& pointwise_weight,
                                  const Tensor& pointwise_bias, float pointwise_leak);
  /// silu(conv(x)).
  Rows convolution_silu(const Rows& x, const Tensor& weight, const Tensor& bias);
  /// The gate: (z + added) * (sigmoid(z) - 1/2), where z = conv(x).
  Rows convolution_gate(const Rows& x, const Tensor& weight, const Tensor& bias, const Rows& added);
  /// conv1x1(concat(conv(x), joined)), without activations; at most kMostAdded are joined.
  Rows convolution_joined(const Rows& x, const Tensor& weight, const Tensor& bias, std::vector<Rows> joined,
                          const Tensor& pointwise_weight, const Tensor& pointwise_bias);
  /// The result: conv_transpose2d() of x to `stride` times its size, of which `crop` pixels are cut off above
  /// and left.
  void upsampling(const Rows& x, const Tensor& weight, const Tensor& bias, int64_t stride, int64_t crop);

  const std::vector<Stage>& stages() const { return stages_; }
  /// Channels of each Rows, by index.
  const std::vector<int64_t>& channels() const { return channels_; }
  /// Of the result, and how much larger it is.
  int64_t result_channels() const { return stages_.back().weight.shape().c; }
  int64_t factor() const { return stages_.back().stride; }

 private:
  Rows rows(int64_t channels);

  std::vector<Stage> stages_;
  std::vector<int64_t> channels_;
};

}  // namespace sr::bands
