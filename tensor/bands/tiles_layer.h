// What rows_tiles.cpp, compiled once for each way to multiply tiles of bfloat16, shares with
// tiles_packing.cpp: plain numbers and pointers.
#pragma once

#include <cstdint>

#include "tensor/bands/kernels.h"

namespace sr::bands::tiles {

constexpr int64_t kOutputs = 16;   ///< of a tile
constexpr int64_t kDepth = 32;     ///< products of a step: elements that lie side by side in a row
constexpr int64_t kColumns = 128;  ///< of a Job
constexpr int kBlockTiles = 4;     ///< of sums, that are computed together
constexpr int64_t kBlockRows = 4;  ///< rows of them, at most
constexpr int64_t kRowsBeyond = kBlockRows - 1;  ///< of a job's, that its last block may have
constexpr int64_t kSumBytes = 2 * kBlockTiles * 16 * kOutputs * 4;  ///< those in work and those before
constexpr int64_t kPixelsBetween = kColumns + 16;  ///< from row to row of what lies between two convolutions

/// A convolution as a sum of steps: each multiplies `kDepth` elements of every input row that an output reads
/// with that row's tile of weights.
struct Convolution {
  int64_t inputs = 0, outputs = 0;  ///< channels; outputs are a multiple of 16, or an upsampling's values
  int64_t pitch = 0;                ///< elements from pixel to pixel of the input
  int64_t group = 1;  ///< pixels whose values are the outputs together: of an upsampling perhaps several
  int64_t rows = 0;   ///< of the input that an output reads
  int64_t tiles = 0, steps = 0;       ///< of 16 outputs; in each of them
  const int32_t* offset = nullptr;    ///< [tiles][steps]: elements from the output's pixel
  const uint16_t* weights = nullptr;  ///< [tiles][steps][rows][16 pairs][16 outputs][2]
  const float* bias = nullptr;        ///< [tiles * 16]
  Activation activation = Activation::leaky;
  float leak = 1;
};

/// Outputs of a tile that lie side by side in a row of the result.
struct Piece {
  int32_t lane, floats;  ///< the first of them, and how many
  int32_t row;           ///< of those of a coarse pixel
  int32_t column;        ///< floats from the group's first one
};

/// A stage as its kernel takes it.
struct Layer {
  Convolution convolution, pointwise;       ///< pointwise.tiles == 0: there is none
  bool joins = false;                       ///< see Stage
  int64_t split = 0;                        ///< outputs that go to the first rows
  int64_t stride = 1, result_channels = 1;  ///< of an upsampling
  const Piece* pieces = nullptr;            ///< and where its outputs go
  const int32_t* first_piece = nullptr;     ///< [tiles + 1]
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

}  // namespace sr::bands::tiles
