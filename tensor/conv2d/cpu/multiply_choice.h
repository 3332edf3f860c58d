// Which kernel of a matrix product serves so many outputs: P rows of inputs times N vectors of outputs.
// Included by files that are compiled once per instruction set only (see tensor/simd/lanes.h).
#pragma once

#include "tensor/simd/lanes.h"

namespace {

// What Multiply::of<V, N, P>() gives for as many rows as registers hold beside so many vectors, of eight or
// of sixteen outputs. The rows divide 24, or 12 where there are fewer registers.
template <class Multiply>
auto multiply_function(bool eight, int vectors) {
  constexpr int kRowsOfEight = kAccumulators == 24 ? 24 : 2 * kAccumulators;
  if (eight) return Multiply::template of<Lanes8, 1, kRowsOfEight>();
  if constexpr (kLargestVectors > 1) {
    switch (vectors) {
      case 2:
        return Multiply::template of<Lanes16, 2, 12>();
      case 3:
        return Multiply::template of<Lanes16, 3, 8>();
      case 4:
        return Multiply::template of<Lanes16, 4, 6>();
      case 5:
        return Multiply::template of<Lanes16, 5, 4>();
      default:
        break;
    }
  }
  return Multiply::template of<Lanes16, 1, kAccumulators>();
}

}  // namespace
