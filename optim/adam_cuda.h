// A training step's end on a CUDA device: the gradients' norm, then Adam, the weights' average and their
// 16-bit copy in one launch over all parameters. What changes from step to step is read from device memory: a
// captured graph can be replayed, and clipping does not wait for the host.
#pragma once

#include <span>

#include "optim/adam.h"
#include "tensor/cuda/view.h"

namespace sr::cuda {

/// One parameter; all of its arrays have `size` elements without gaps.
struct AdamTensor {
  float *weight = nullptr, *m = nullptr, *v = nullptr;
  const float* gradient = nullptr;
  float* average = nullptr;  ///< exponential moving average of the weights, or null
  void* copy = nullptr;      ///< the weights as AdamLaunch::copy_type, or null
  int64_t size = 0;
  double rate = 1;   ///< multiplier of the learning rate
  double decay = 0;  ///< AdamOptions::weight_decay, or 0 where it does not decay

  int64_t first_piece = 0;  ///< set by number_pieces
};

/// Numbers the pieces that blocks work on through all tensors; returns how many there are.
int64_t number_pieces(std::span<AdamTensor> tensors);

/// Factors of one step, computed by the host, read from device memory.
struct AdamStep {
  double rate = 0, first_correction = 1;  ///< 1 - beta1^t
  float root_correction = 1;              ///< 1 / sqrt(1 - beta2^t)
  float keep = 0;                         ///< average = keep * average + (1 - keep) * weight
};

/// For step number `t`, counted from 1, with the rate and Ema's decay (0: no average).
AdamStep adam_step(const AdamOptions& options, int64_t t, double rate, double ema_decay);

/// In device memory, kept from step to step; all zeros at first.
struct StepState {
  double norm = 0;  ///< of the last step's gradients, before clipping
  float gradient_scale = 0;
  /// Not 0: a loss or norm was not finite. No step is taken from that one on until the host sets it to 0.
  int32_t stopped = 0;
  float loss = 0;  ///< of the last step, where gradient_norm was given it
};

/// A table of parameters in device memory, numbered by number_pieces.
struct AdamTable {
  const AdamTensor* tensors = nullptr;
  int count = 0;
  int64_t pieces = 0;
};

/// state->norm = the Euclidean norm of all gradients together, in double, in an order that depends on the
/// table alone, after each was multiplied by `unscale` (1 / what the loss was multiplied by). gradient_scale
/// does that and shortens them to clip_norm if that is positive and less. `loss` (or null) is a device's
/// number that must be finite too, and is kept in the state. `workspace` holds table.pieces doubles.
void gradient_norm(const Queue&, const AdamTable& table, double unscale, double clip_norm, const float* loss,
                   StepState* state, double* workspace);

/// One step of Adam::step and Ema::update for every tensor of the table, with their bits. Nothing if
/// state->stopped. copy_type: bf16 or f16, what the tensors' copies hold.
void adam(const Queue&, const AdamTable& table, const AdamOptions& options, DType copy_type,
          const AdamStep* step, const StepState* state);

}  // namespace sr::cuda
