// What the operations of this folder do when their tensors lie in the memory of a CUDA device: after the
// checks, which are the same for all devices, they call the function of the same name here. Results and
// workspaces are allocated here; the numbers are computed in *_cuda.cu.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tensor/conv2d/conv2d.h"
#include "tensor/ops/pointwise.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// Whether this build has these functions; calls stand in `if constexpr (kBuilt)`.
#ifdef SR_CUDA
inline constexpr bool kBuilt = true;
#else
inline constexpr bool kBuilt = false;
#endif

enum class ConvOp;
struct ConvDims;
struct ConvTypes;

Tensor clone(const Tensor& x);
Tensor convert(const Tensor& x, DType dtype);

Tensor add(const Tensor& a, const Tensor& b);
/// x brought to its end, by a pass of its own.
Tensor finished(const Tensor& x, const Conv2dEnd& end);
Tensor scale(const Tensor& x, float factor);
LeakyReluGrads leaky_relu_grads(const Tensor& dy, const Tensor& y, float leak);
Tensor add_concat(const Tensor& x, const std::vector<Tensor>& parts);
Tensor channels_grad(const Tensor& dy, int64_t begin, int64_t c);

Tensor sum_per_channel(const Tensor& x);
double sum(const Tensor& x);

double l1_loss(const Tensor& x, const Tensor& target);
Tensor l1_loss_value(const Tensor& x, const Tensor& target);
Tensor l1_loss_grad(const Tensor& x, const Tensor& target);
double l2_loss(const Tensor& x, const Tensor& target);
Tensor l2_loss_value(const Tensor& x, const Tensor& target);
Tensor l2_loss_grad(const Tensor& x, const Tensor& target);

double ssim(const Tensor& a, const Tensor& b, double peak);
Tensor ssim_value(const Tensor& a, const Tensor& b, double peak);
Tensor ssim_grad(const Tensor& a, const Tensor& b, double peak);

Tensor bicubic_resize(const Tensor& x, int64_t h, int64_t w);

/// y has conv2d_shape() and may be a view; end.into is not looked at.
void conv2d_into(Tensor& y, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const Conv2dOptions& options, const Conv2dEnd& end);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
              const Conv2dEnd& end);
/// Whether the device has a kernel for conv2d_then_pointwise() of these.
bool fuses_pointwise(const Tensor& x, const Tensor& weight, const Conv2dOptions& options,
                     const std::vector<Tensor>& added, const Tensor& pointwise_weight);
Tensor conv2d_then_pointwise(const Tensor& x, const Tensor& weight, const Tensor& bias,
                             const Conv2dOptions& options, const std::vector<Tensor>& added,
                             const Tensor& pointwise_weight, const Tensor& pointwise_bias,
                             float pointwise_leak);
/// A transposed convolution if there is a bias. The result is float32 where it has few channels (an image),
/// else stored as dy is. Errors: usage (what the end names is stored otherwise).
Tensor conv2d_grad_input(const Tensor& dy, const Tensor& weight, const Tensor& bias, const Shape& x,
                         const Conv2dOptions& options, const Conv2dEnd& end);
Tensor conv2d_grad_weight(const Tensor& dy, const Tensor& x, const Shape& weight,
                          const Conv2dOptions& options);

/// Weights in the order that kernels read, by the weight as it was given.
class PackedWeights {
 public:
  /// Errors: those of the kernels.
  Tensor operator()(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight);
  /// Whether it was packed before the last kernel that took one: a kernel that starts early need not wait for
  /// it.
  bool settled(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight) const;

  /// Brings all that are here into order anew, into the same memory and with few launches, after the weights
  /// have changed. Errors: those of the kernels.
  void pack_again();

 private:
  struct Entry;
  using Key = std::array<int64_t, 8>;
  static Key key(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight);
  std::map<Key, std::shared_ptr<const Entry>> packed_;
  bool packed_just_now_ = false;  // by pack_again(), no kernel has taken one since
};

/// While one lives, convolutions of the calling thread take their weights from `packed`, where each is
/// brought into order once: after a weight's change pack_again() must be called.
class KeepPacked {
 public:
  explicit KeepPacked(PackedWeights& packed);
  ~KeepPacked();
  KeepPacked(const KeepPacked&) = delete;
  KeepPacked& operator=(const KeepPacked&) = delete;

 private:
  PackedWeights* before_;
};

struct GradWeightWork;
struct ChannelSumsWork;

/// While one lives, what conv2d_grad_weight, sum_per_channel and leaky_relu_grads (of biases) of the calling
/// thread give is filled later, that of layers of the same sizes with one launch: by finish(), or as soon as
/// another operation of the thread reads one. At most one lives at a time. Until then x and dy stay in
/// memory, at most 2 GiB of them. A weight gradient's bits depend on how many were computed together. What
/// nobody finished is dropped.
class GatherGradients {
 public:
  GatherGradients();
  ~GatherGradients();
  GatherGradients(const GatherGradients&) = delete;
  GatherGradients& operator=(const GatherGradients&) = delete;

  void add(const GradWeightWork& work);
  void add(const ChannelSumsWork& work);
  bool has(const Tensor& gradient) const;
  /// Errors: device, limit.
  void finish();

 private:
  GatherGradients* before_;
  std::vector<GradWeightWork> waiting_;
  std::vector<ChannelSumsWork> sums_;
  int64_t bytes_ = 0;  // that the tensors of waiting_ hold
};

/// Fills x if it is a gradient that waits; to be called before x is read.
void finish_if_waiting(const Tensor& x);

/// What the result of conv2d from x with `channels` outputs is stored as.
DType conv2d_storage(const Tensor& x, int64_t channels);

}  // namespace sr::cuda
