// The coefficients of bicubic resampling along one axis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sr {

/// With in/out reduced to lowest terms, the pattern repeats after `count` outputs and `step` inputs: output
/// k*count + p is the sum of weight[p*taps + t] * input[k*step + first[p] + t]. When enlarging by an integer
/// factor that is `factor` phases of four taps. Inputs beyond a line are mirrored().
struct Phases {
  int64_t count = 0, step = 0, taps = 0;
  std::vector<int64_t> first;
  std::vector<float> weight;

  /// Both at least 1 and at most 2^30. Computed in double from exact positions.
  Phases(int64_t in, int64_t out);
  int64_t first_input(int64_t output) const { return output / count * step + first[index(output)]; }
  const float* weights(int64_t output) const { return &weight[index(output) * static_cast<size_t>(taps)]; }

 private:
  size_t index(int64_t output) const { return static_cast<size_t>(output % count); }
};

/// Index of the sample that stands for index i of a line of n: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
inline int64_t mirrored(int64_t i, int64_t n) {
  const int64_t m = ((i % (2 * n)) + 2 * n) % (2 * n);
  return m < n ? m : 2 * n - 1 - m;
}

}  // namespace sr
