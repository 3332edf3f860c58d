// Weights of convolutions in the order that kernels read, packed at each call or kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "tensor/conv2d/choice_cuda.h"
#include "tensor/tensor.h"

namespace sr::cuda {

/// The device that the calling thread's convolutions run on.
ConvDevice conv_device();

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
  struct Entry {
    PackTask task;  // without addresses
    Tensor weight, packed;
  };
  using Key = std::array<int64_t, 8>;
  static Key key(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight);
  std::map<Key, Entry> packed_;
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

/// A weight in the operation's order: what the calling thread keeps, else packed now. Errors: those of the
/// kernels.
Tensor packed_weights(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight);

/// Whether it is kept and was there before the last kernel (PackedWeights::settled).
bool are_packed(ConvOp op, const ConvDims& dims, const ConvTypes& types, const Tensor& weight);

}  // namespace sr::cuda
