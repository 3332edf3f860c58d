// The tiles of patches_kernel.h: what a kernel is made for, and the orders of its columns and weights.
#pragma once

#include <algorithm>

#include "tensor/conv2d/cuda/operands.h"
#include "tensor/conv2d/cuda/sm90/columns.h"
#include "tensor/conv2d/cuda/sm90/patches.h"

namespace sr::cuda {

template <class T>
struct PatchArgs {
  const T* x;
  const unsigned char* packed;
  T* y;
  int n, h, w, x_pitch, x_row;  // x_row: elements from row to row
  int rows, columns;            // of tiles
  long long y_pitch;
  ConvEpilogue epilogue;
  bool packed_before;  // see ConvDevice
};

namespace {

template <class T_, int Inputs, int Outputs, int Kernel>
struct PatchConv {
  using T = T_;
  static constexpr int kN = Outputs, kKernel = Kernel, kTaps = Kernel * Kernel, kPad = Kernel / 2;
  static constexpr int kThreads = 256;
  static constexpr int kRows = Outputs > 64 ? 2 : 4;  // a warp's, 16 pixels each: as registers allow
  static constexpr int kTileH = 4 * kRows, kTileW = 32;
  static constexpr int kInH = kTileH + 2 * kPad, kInW = kTileW + 2 * kPad;
  static constexpr int kPitch =
      (kInW + 7) / 8 * 8;  // pixels; so the halves' places depend on the column only
  static constexpr int kUnit = 16 / sizeof(T), kStep = 2 * kUnit, kSteps = Inputs / kStep;
  static constexpr int kTileBytes = kInH * kPitch * 32, kWeightBytes = kTaps * Outputs * 32;  // of a step
  static constexpr int kHalfBytes = Outputs * 16;  // weights: from one half of a step to the other
  static constexpr int kMostShared = 227 * 1024, kBarrierBytes = 128;
  static constexpr int kSlots =  // with four, ptxas spills a register of TF32's 32->64
      std::min(std::max(kSteps, 5), (kMostShared - kBarrierBytes) / (kTileBytes + kWeightBytes));
  static constexpr int kSharedBytes = kSlots * (kTileBytes + kWeightBytes) + kBarrierBytes;
  static_assert(Inputs % kStep == 0 && Outputs % 16 == 0 && kSlots >= 2 && 8 * kSlots <= kBarrierBytes);

  using Sums = float[kRows][Outputs / 2];
  using Fragments = uint32_t[kRows + 2 * kPad][4];
  static constexpr int kWords = Outputs * static_cast<int>(sizeof(T)) / 16;  // of a lane's values of a pixel
};

/// Packed weights' order, [step][kx][ky][half][column][16 bytes]: which weight element i is.
template <class T>
struct PatchWeight {
  int out, ky, kx, in;

  GPU_HD PatchWeight(int kernel, int outputs, int i) {
    constexpr int kUnit = 16 / static_cast<int>(sizeof(T));
    const int tap = i / (2 * kUnit * outputs), step = tap / (kernel * kernel);
    out = channel_of<T>(outputs, i / kUnit % outputs), ky = tap % kernel, kx = tap / kernel % kernel;
    in = (2 * step + i / kUnit / outputs % 2) * kUnit + i % kUnit;
  }
};

/// The tile with a number, `height` pixels high.
struct PatchTile {
  int image, y, x;

  template <class Args>
  GPU_FN PatchTile(const Args& a, int number, int height)
      : image(number / (a.columns * a.rows)),
        y(number / a.columns % a.rows * height),
        x(number % a.columns * 32) {}
};

}  // namespace

}  // namespace sr::cuda
