// What rows_bf16.cpp, compiled once for each way to multiply bfloat16, shares with bf16_packing.cpp: plain
// numbers and pointers.
#pragma once

#include <cstdint>

#include "tensor/bands/kernels.h"

namespace sr::bands::bf16 {

constexpr int64_t kOutputs = 16;   ///< of a tile
constexpr int64_t kDepth = 32;     ///< products of a step: elements that lie side by side in a row
constexpr int kRuns = 4;           ///< of sixteen pixels, that are computed together
constexpr int64_t kColumns = 128;  ///< of a Job
constexpr int64_t kSumBytes = kRuns * 16 * kOutputs * 4;  ///< the sums of a tile of outputs

/// A convolution as a sum of steps: each multiplies `kDepth` elements of an input row with a tile of weights.
struct Convolution {
  int64_t inputs = 0, outputs = 0;  ///< channels; outputs are a multiple of 16, or an upsampling's values
  int64_t group = 1;  ///< pixels whose values are the outputs together: of an upsampling perhaps several
  int64_t rows = 0;   ///< of the input that an output reads, at most kLargestKernel
  int64_t tiles = 0, steps = 0;       ///< of 16 outputs; in each of them
  bool shared = false;                ///< whether all tiles have the first one's steps
  const int32_t* row = nullptr;       ///< [tiles][steps]: of the rows that an output reads
  const int32_t* offset = nullptr;    ///< [tiles][steps]: elements from the output's pixel
  const uint16_t* weights = nullptr;  ///< [tiles][steps][16 pairs][16 outputs][2]
  const float* bias = nullptr;        ///< [tiles * 16]
  Activation activation = Activation::leaky;
  float leak = 1;
};

/// A stage as its kernel takes it.
struct Layer {
  Convolution convolution, pointwise;       ///< pointwise.tiles == 0: there is none
  bool joins = false;                       ///< see Stage
  int64_t split = 0;                        ///< outputs that go to the first rows
  int64_t stride = 1, result_channels = 1;  ///< of an upsampling
};

/// The kernels of one way to multiply.
struct Functions {
  const char* compiled_for;
  void (*layer)(const void* layer, const Job& job);
  void (*first)(const void* layer, const Job& job);
  void (*upsampling)(const void* layer, const Job& job);
};

#ifdef SR_SIMD
namespace SR_SIMD {
extern const Functions kFunctions;
}
#endif

}  // namespace sr::bands::bf16
