// What grad_weight_tf32.cu multiplies: rows of a product, the sizes of a kernel, the order of its parts, and
// how pixels are cut.
#pragma once

#include "tensor/conv2d/cuda/problem.h"
#include "tensor/cuda/hopper.h"

namespace sr::cuda {
namespace {

constexpr int kBoxChannels = 32, kBoxPixelBytes = 128;  // of a copy
constexpr int kColumns = 32, kMostRows = 16;            // pixels of a piece
constexpr int kStepColumns = 8;                         // pixels of a product

/// Rows of A: for each 16 of `Rows` channels, kx. Channels of a warp's rows are those that let its 32 lanes
/// meet no bank of shared memory twice, whatever pixel they begin with: the units of four channels of eight
/// rows are four apart in the 32 channels of a box. (Not in the last box of 80 channels, which is half full.)
template <int Rows>
struct WarpRows {
  static constexpr int kGroups = Rows / 16, kUnits = 3 * kGroups;
  int kx, box, first, apart;  // units of four channels of the box

  GPU_HD explicit WarpRows(int warp) : kx(warp / kGroups) {
    const int group = warp % kGroups;
    box = group / 2, first = group % 2 * 2, apart = kBoxChannels * (box + 1) <= Rows ? 4 : 2;
  }
  GPU_HD int unit(int row) const { return first + row / 8 + row % 8 / 4 * apart; }
  GPU_HD int channel(int row) const { return kBoxChannels * box + 4 * unit(row) + row % 4; }
};

/// A kernel for `Inputs` and `Outputs` channels.
template <int Inputs, int Outputs>
struct GradWeightTf32 {
  static constexpr bool kShiftsX = Inputs == 64;
  static constexpr int kInputs = Inputs;
  static constexpr int kRows = kShiftsX ? Inputs : Outputs, kN = kShiftsX ? Outputs : Inputs;
  static constexpr int kUnits = WarpRows<kRows>::kUnits;
  static constexpr int kWarps = (kUnits + 3) / 4 * 4, kThreads = 32 * kWarps;
  using Sums = float[3][kN / 2];  // of each ky
  using Fragments = uint32_t[2][4];

  // A stage: for each box of channels two rows of shifted pixels, then for each two rows of still ones.
  static constexpr int kShiftedBoxes = (kRows + kBoxChannels - 1) / kBoxChannels,
                       kStillBoxes = (kN + kBoxChannels - 1) / kBoxChannels;
  static constexpr int kShiftedPixels = kColumns + 2;
  static constexpr int kRowBytes = (kShiftedPixels + 7) / 8 * 1024;  // so that both rows are swizzled alike
  static constexpr int kStillBoxBytes = 2 * kColumns * kBoxPixelBytes;
  static constexpr int kStill = kShiftedBoxes * 2 * kRowBytes;
  static constexpr int kStageBytes = kStill + kStillBoxes * kStillBoxBytes, kStages = 3;
  // Transposed, [row][8 pixels][8 channels][half of the pixels][channel][4 pixels].
  static constexpr int kOperandBytes = kN * kStepColumns * 4;  // B of a product
  static constexpr int kPairBytes = 2 * kColumns / kStepColumns * kOperandBytes, kPairs = 4;
  static constexpr int kBarrierBytes = 64;
  static constexpr int kSharedBytes = kStages * kStageBytes + kPairs * kPairBytes + kBarrierBytes;
  static_assert(kRows % 16 == 0 && kN % 16 == 0 && kSharedBytes <= 227 * 1024);
  static_assert(kShiftsX || Outputs == 64 || Outputs == 80);

  static constexpr int kPartElements = kUnits * 3 * (kN / 8) * 128;
};

/// Which element of the weight a lane's value is: parts are [warp][ky][column / 8][lane][4].
template <class C>
struct PartIndex {
  GPU_HD int operator()(int e) const {
    constexpr int kTiles = C::kN / 8;
    const int r = e % 4, lane = e / 4 % 32, j = e / 128 % kTiles, ky = e / 128 / kTiles % 3;
    const WarpRows<C::kRows> rows(e / 128 / kTiles / 3);
    const int a = rows.channel(8 * (r / 2) + lane / 4), b = 8 * j + 2 * (lane % 4) + r % 2;
    const int tap = 3 * ky + rows.kx;
    return C::kShiftsX ? (b * 9 + tap) * C::kInputs + a : (a * 9 + 8 - tap) * C::kInputs + b;
  }
};

/// How pixels are cut into pieces, of whole pairs of rows but at the image's end.
struct Pieces {
  int h, columns, segments, rows, count;  // count: of all images

  Pieces(int n, int image_h, int w) : h(image_h), columns((w + kColumns - 1) / kColumns) {
    segments = (h + kMostRows - 1) / kMostRows;
    rows = segments == 0 ? 0 : ((h + segments - 1) / segments + 1) / 2 * 2;
    count = n * segments * columns;
  }
};

struct Piece {
  int image, y, x, pairs;  // of rows

  GPU_FN Piece(const Pieces& all, int number)
      : image(number / (all.columns * all.segments)),
        y(number / all.columns % all.segments * all.rows),
        x(number % all.columns * kColumns),
        pairs((min(all.rows, all.h - y) + 1) / 2) {}
};

struct GradWeightTf32Args {
  gpu::TensorMap shifted[kMostGradWeights], still[kMostGradWeights];
  float* part;  // [layer][chunk][kPartElements]
  Pieces pieces;
  int chunks;
};

}  // namespace

}  // namespace sr::cuda
