// The kernels that compute a part of a stage: those of float32 and of bfloat16, of each instruction set.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tensor/bands/program.h"

namespace sr::bands {

/// How the network's layers are computed; images and the result are float32 in each.
enum class Precision {
  fp32,  ///< products and sums in float32, by Winograd's transforms where they pay
  bf16  ///< factors and what is stored between layers in bfloat16, sums in float32: direct sums where AMX is,
        ///< else by the transforms as well
};

constexpr int64_t kBand = 16;      ///< rows that a Job has at most, a multiple of every Kernels::align
constexpr int64_t kMostRows = 48;  ///< input rows that one Job may span
/// Pixels beside a row's: before the first and after the last one are zeros for at least so many; what lies
/// beyond, to a multiple of Kernels::columns and so many more, may be read as well and is finite.
constexpr int64_t kMargin = 16;

/// Rows row .. row+rows-1 of a stage's output, columns x .. x+columns-1 of each.
struct Job {
  int64_t width = 0;  ///< of the image
  int64_t row = 0, rows = 0, x = 0, columns = 0;
  /// A value's place in the grid of Winograd's tiles: tiles begin where (row + row_phase) % 4 and
  /// (column + column_phase) % 4 are 0.
  int64_t row_phase = 0, column_phase = 0;
  /// Pixel 0 of input row (tile_row - before + k), where tile_row is `row` or, of a grid, where its tile
  /// begins; a row of zeros outside of the image. Of the image's first stage they are its own rows, without
  /// margins, or nullptr outside.
  const void* in[kMostRows];
  int64_t in_pitch = 0;                      ///< elements from pixel to pixel
  const void* added[kMostAdded][kMostRows];  ///< pixel 0 of row (row + k)
  int64_t added_pitch[kMostAdded] = {};
  void* out[2][kMostRows];  ///< the same, of the rows that are written
  int64_t out_pitch[2] = {0, 0};
  float* result = nullptr;   ///< of an upsampling: pixel 0 of the result's row 0
  int64_t result_pitch = 0;  ///< floats from row to row of it
  void* scratch = nullptr;   ///< of this thread, aligned to 64 bytes
};

/// A stage's weights as its kernels take them.
struct PackedStage {
  std::shared_ptr<const void> weights;  ///< whose layout only the kernels know
  void (*run)(const void* weights, const Job& job);
  int64_t scratch_bytes = 0;  ///< for one Job of kBand x Kernels::columns
  bool in_tiles = false;  ///< its values depend on all that a tile of the grid is made of (span_of())
  int64_t beyond = 0;  ///< pixels to the right of those that an output needs, which its kernel multiplies by
                       ///< zeros: they must be finite
};

/// Kernels that go together.
struct Kernels {
  const char* name;
  const char* (*compiled_for)();  ///< the set that the compiler really used, from its own macros
  int revision;                   ///< of the bits of results: what another has begun is not gone on with
  int64_t element_bytes;          ///< of rows between stages
  int64_t align;                  ///< stages compute multiples of so many rows
  int64_t rows;     ///< that are computed together: jobs have multiples of it unless a stage has fewer left
  int64_t columns;  ///< that a Job has at most; they begin where tiles of the grid do, or at 0
  int64_t least_columns;  ///< to which jobs are halved where there are fewer than threads
  PackedStage (*pack)(const Stage& stage, bool first);  ///< `first`: it reads the image
};

const char* name_of(Precision precision);  ///< "fp32", "bf16"

/// What the processor computes networks in: fp32 until it is set. Errors: unsupported (as kernels()).
void set_precision(Precision precision);
Precision precision();

/// Those for a precision on this processor with active_simd(). Errors: unsupported (bf16, and it has no unit
/// for it).
const Kernels& kernels(Precision precision);

/// Whether kernels(Precision::bf16) exist, and whether they are those of AMX.
bool has_bf16();
bool has_amx();

/// The kernels of bfloat16 with the arithmetic of AMX and of AVX-512's products in plain code, for any
/// processor with AVX2: for tests.
std::span<const Kernels> software_bf16_kernels();

}  // namespace sr::bands
