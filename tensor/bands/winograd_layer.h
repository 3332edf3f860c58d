// What the kernels of winograd_rows.h and upsampling_rows.h, compiled once per instruction set, share with
// winograd_packing.cpp: plain numbers and pointers. Elements, of rows between layers, of weights and of what
// is multiplied, are float32 or bfloat16.
#pragma once

#include <cstdint>

#include "tensor/bands/kernels.h"

namespace sr::bands::winograd {

constexpr int64_t kTile = 4;     ///< rows and columns of outputs that Winograd's transforms make together
constexpr int64_t kPlaces = 36;  ///< products of a tile
constexpr int64_t kTiles = 24;  ///< that are computed together, so that all of theirs stays in a core's cache
constexpr int64_t kColumns = 96;  ///< of a Job

/// Matrices [inputs of a group][outputs of it], in blocks of vectors that are computed together. A block's
/// outputs that only fill it lie where the next one's first are, which comes later, or behind the last.
/// Of bfloat16 two inputs' weights of an output lie side by side: [inputs / 2][outputs][2].
struct Weights {
  int64_t inputs = 0;                      ///< of a group
  int64_t outputs = 0, group_outputs = 0;  ///< of all groups, of one
  int64_t blocks = 0, group_blocks = 0;
  int vectors = 0;                        ///< in a block
  int64_t block_elements = 0;             ///< [inputs][vectors * lanes]
  int64_t result_floats = 0;              ///< a multiple of 16
  const int64_t* first_output = nullptr;  ///< [blocks]
  const void* values = nullptr;           ///< [places][blocks][block_elements]
  const float* bias = nullptr;            ///< [outputs]
  float leak = 1;
};

/// A 3x3 convolution, and perhaps a 1x1 one of what it gives.
struct Layer {
  Weights convolution;  ///< 36 places
  Weights pointwise;    ///< one place; blocks == 0: there is none
  Activation activation = Activation::leaky;
  bool joins = false;                            ///< see Stage
  int64_t split = 0;                             ///< outputs that go to the first rows
  int64_t input_place = 0, product_place = 0;    ///< elements and floats from one of the places to the next
  int64_t product_bytes = 0, between_bytes = 0;  ///< where these begin in a Job's scratch, behind the inputs
};

/// A transposed convolution as one from the input's pixels to `stride`^2 fine pixels of each.
struct Upsampling {
  int64_t inputs = 0, taps = 0, before = 0;  ///< taps in both directions, those above or left
  int64_t stride = 1, result_channels = 1;
  int64_t row_terms = 0;  ///< of a kernel row: taps * inputs, to a multiple of what sixteen lanes take
  const void* weights = nullptr;  ///< [fine row, fine column, channel][taps][row_terms]
  const float* bias = nullptr;    ///< [channel]
};

/// The kernels of one instruction set.
struct Functions {
  const char* compiled_for;
  int64_t element_bytes;
  int64_t largest_vectors;  ///< in a block
  void (*layer)(const void* layer, const Job& job);
  void (*first)(const void* layer, const Job& job);
  void (*upsampling)(const void* layer, const Job& job);
};

#ifdef SR_SIMD
/// Those of the set that a source is being compiled for. rows_simd.cpp and rows_pairs.cpp have the tables.
namespace SR_SIMD {
void upsampling(const void* layer, const Job& job);
extern const Functions kFunctions;
}  // namespace SR_SIMD
#endif

}  // namespace sr::bands::winograd
