// A program whose weights are packed for the kernels of a precision, ready to run on images.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/bands/kernels.h"
#include "tensor/bands/program.h"
#include "tensor/bands/schedule.h"

namespace sr::bands {

/// Where an image's first pixel lies in the scene that it is a part of. Values depend on it modulo 4 where
/// Winograd's tiles are used, whose grid is the scene's: what is computed of parts is then what would be
/// computed of the whole.
struct Origin {
  int64_t row = 0, column = 0;
};

class Network {
 public:
  /// Errors: unsupported (a stage that the kernels do not have), limit.
  Network(Program program, const Kernels& kernels);

  /// The result, float32, for images [n, h, w, c] on the processor. The terms of a value are summed in an
  /// order that depends on the stages, the kernels and, modulo 4, its place in the scene, not on the image's
  /// size or the number of threads. `seconds`, if wanted, becomes what each stage took, summed over the
  /// threads. Errors: shape, limit, stopped.
  Tensor run(const Tensor& image, Origin origin = {}, std::vector<double>* seconds = nullptr) const;

  /// Memory that run() takes beside image and result, in bytes, for images of this width; it does not grow
  /// with the height.
  int64_t working_bytes(int64_t width, int64_t height) const;

  /// How far a fine pixel's value looks in coarse pixels: the margin that makes parts of a scene exact.
  Span span() const;

  const Kernels& kernels() const { return *kernels_; }

 private:
  void run_one(const float* image, float* result, int64_t height, int64_t width, Origin origin,
               std::vector<double>* seconds) const;

  Program program_;
  const Kernels* kernels_;
  std::vector<PackedStage> packed_;
};

}  // namespace sr::bands
