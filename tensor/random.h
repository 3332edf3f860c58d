// Random numbers that are the same on every machine (the distributions of std:: are not).
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace sr {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) with its 64-bit state in the open, so that it can be saved.
struct Random {
  uint64_t state = 0;  ///< any number is a beginning

  uint64_t next();  ///< 64 random bits
  /// Uniform in [0, 1): the upper 53 bits.
  double uniform();
  /// Standard normal, by Box and Muller; takes two numbers from the sequence.
  double normal();
  /// Uniform in 0 .. below-1. Errors: usage (below < 1).
  int64_t integer(int64_t below);
};

/// Normal with mean 0 and the given standard deviation.
Tensor random_normal(Shape shape, double deviation, Random& random);

}  // namespace sr
