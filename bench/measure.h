// What the benchmarks share: settings to run under, the check before a result counts, the ratio to the peak.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "tensor/simd/instruction_set.h"
#include "tensor/tensor.h"

namespace sr::bench {

struct Setting {
  Simd simd;
  int threads;
};

/// Every instruction set of this processor that has kernels in float32, or the best one of all, with one
/// thread and with two.
std::vector<Setting> settings(bool every_set = true);

/// Something to time, made when its turn comes.
struct Work {
  std::function<void()> run;
  double multiply_adds = 0;  ///< of one run
  double pixels = 0;         ///< that one run makes, for the rate in pixels
  /// Difference from the double-precision loops, relative to the largest value; at most 2e-5 counts as right.
  std::function<double()> difference;
};

/// Registers NAME/SET/N_threads for every setting, or for the best instruction set only if the work is
/// compiled for none in particular. Each checks `difference` before its first run, and reports
///   x_peak       2 * multiply_adds / CPU time per thread / fma_peak(threads), measured just before and after
///   x_peak_wall  the same by wall-clock time, which others on the machine make smaller
///   peak_gflops  the peak
///   mpix_s       10^6 pixels a second of CPU time per thread
void add_benchmark(const std::string& name, const std::function<Work()>& make, bool every_set = true);

/// The main function: runs what was added, with the options of Google Benchmark.
int run_benchmarks(int argc, char** argv);

/// Rows y .. y+h-1 and columns x .. x+w-1 of a tensor, copied.
Tensor crop(const Tensor& t, int64_t y, int64_t x, int64_t h, int64_t w);

}  // namespace sr::bench
