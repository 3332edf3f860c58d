// The most float32 multiply-adds that this machine can do: what results are compared with.
#pragma once

namespace sr::bench {

/// Operations a second (a multiply-add is two) of `threads` threads together, each with as many independent
/// multiply-adds in registers as it can issue, by their CPU time; with the best instruction set of the
/// processor. Takes about 60 ms.
double fma_peak(int threads);

}  // namespace sr::bench
