// The sums of reduce.h on a CUDA device: in double, without atomics, in an order that depends on shapes
// alone.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "tensor/cuda/deferred.h"
#include "tensor/cuda/tensors.h"
#include "tensor/cuda/view.h"

namespace sr::cuda {

/// Doubles that the functions below need as workspace, and ChannelPieces::sums.
int64_t sum_workspace(int64_t pixels, int64_t c);

/// Sums of each channel over pieces of the pixels, which are to be added up. sums [piece][channel].
struct ChannelPieces {
  const double* sums = nullptr;
  int64_t pixels = 0, c = 0;
  float* y = nullptr;
};

/// The pieces' sums of x, which are added up by add_pieces.
void sum_pieces_of(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, double* sums);

/// y[k] = the sum of channel k's pieces, for all of them with few launches, in double and an order that
/// depends on `pixels` alone.
void add_pieces(const Queue&, std::span<const ChannelPieces> channels);

/// y[k] = sum over the pixels of channel k.
void sum_per_channel(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, float* y,
                     double* workspace);

/// result[0] = sum of all elements.
void sum(const Queue&, DType, int64_t pixels, int64_t c, ConstView x, double* result, double* workspace);

/// to[0] = from[0], rounded.
void round_to_float(const Queue&, const double* from, float* to);

// Those of reduce.h. Errors: device, limit.
Tensor sum_per_channel(const Tensor& x);
double sum(const Tensor& x);

/// The first of them, on the device.
Tensor rounded(const Doubles& x);

/// Sums of pieces of channels (ChannelPieces) that are to be added up into y.
struct ChannelSumsWork {
  std::shared_ptr<void> sums;
  int64_t pixels = 0;
  Tensor y;
};

/// Adds them up, or puts it off if the calling thread has a GatherSums. Errors: device.
void add_up(const ChannelSumsWork& work);

/// While one lives, sums over pixels that the calling thread asks for are added up later, with few launches.
/// What nobody finished is dropped.
class GatherSums final : public Deferred {
 public:
  GatherSums();
  ~GatherSums() override;

  void add(const ChannelSumsWork& work) { waiting_.push_back(work); }
  bool has(const Tensor& sums) const override;
  void finish() override;

 private:
  GatherSums* before_;
  std::vector<ChannelSumsWork> waiting_;
};

}  // namespace sr::cuda
