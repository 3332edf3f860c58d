// Results that are computed later than they were asked for, because many together cost less.
#pragma once

#include "tensor/tensor.h"

namespace sr::cuda {

/// A list of such results, of one kind. While it lives, whatever reads one of them with the calling thread
/// has all lists of that thread finished first (finish_if_waiting in tensor/on_cuda.h), the last made first.
class Deferred {
 public:
  Deferred();
  virtual ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  /// Finishes all lists of the calling thread, the last made first. Errors: those of the kernels.
  static void finish_all();

  /// Whether x is one of the results that wait, or a view of one.
  virtual bool has(const Tensor& x) const = 0;
  /// Computes what waits. Errors: those of the kernels.
  virtual void finish() = 0;
};

/// Whether x begins within the float32 tensor `whole`.
bool lies_in(const Tensor& x, const Tensor& whole);

}  // namespace sr::cuda
