// What the benchmarks share: settings to run under, the check before a result counts, the ratio to the peak.
#pragma once

#include <benchmark/benchmark.h>

#include <functional>
#include <string>
#include <vector>

#include "tensor/simd/instruction_set.h"
#include "tensor/tensor.h"

namespace sr::bench {

/// The instruction sets of this processor that have kernels in float32, the best first.
std::vector<Simd> float_sets();

/// Something to time, made when its turn comes.
struct Work {
  std::function<void()> run;
  double multiply_adds = 0;  ///< of one run
  double pixels = 0;         ///< that one run makes, for the rate in pixels
  /// Difference from the double-precision loops, relative to the largest value.
  std::function<double()> difference;
  double allowed = 2e-5;  ///< up to this difference a result counts as right
};

/// Registers NAME/SET/N_threads for these sets, with one thread and with two. Each checks `difference` before
/// its first run, and reports
///   x_peak       2 * multiply_adds / CPU time per thread / the peak of float32, measured just before and
///   after x_peak_wall  the same by wall-clock time, which others on the machine make smaller peak_gflops the
///   peak mpix_s       10^6 pixels a second of CPU time per thread
void add_benchmark(const std::string& name, const std::function<Work()>& make,
                   const std::vector<Simd>& sets = float_sets());

/// The main function: runs what was added, with the options of Google Benchmark.
int run_benchmarks(int argc, char** argv);

/// Rows y .. y+h-1 and columns x .. x+w-1 of a tensor, copied.
Tensor crop(const Tensor& t, int64_t y, int64_t x, int64_t h, int64_t w);

}  // namespace sr::bench
