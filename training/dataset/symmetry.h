// The eight flips and rotations of a square.
#pragma once

#include <cstdint>

namespace sr {

inline constexpr int kSymmetries = 8;

/// Where the pixels of a turned image lie in the original. Symmetry s mirrors up and down (bit 0), left and
/// right (bit 1) and then swaps rows and columns (bit 2); 0 leaves all as it is. Pixel (x, y) of the turned
/// image is pixel number first + x * right + y * down of an original whose rows are `pitch` pixels long;
/// where bit 2 is set the turned image is height x width.
struct SymmetryWalk {
  int64_t first, right, down;

  SymmetryWalk(int symmetry, int64_t width, int64_t height, int64_t pitch) {
    const bool up_down = symmetry & 1, left_right = symmetry & 2, turned = symmetry & 4;
    first = (left_right ? width - 1 : 0) + (up_down ? (height - 1) * pitch : 0);
    const int64_t along_row = left_right ? -1 : 1, along_column = up_down ? -pitch : pitch;
    right = turned ? along_column : along_row;
    down = turned ? along_row : along_column;
  }
};

}  // namespace sr
