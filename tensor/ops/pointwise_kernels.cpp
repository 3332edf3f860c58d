#include "tensor/ops/pointwise_kernels.h"

#include <array>

#include "tensor/simd/instruction_set.h"

namespace sr::cpu {

namespace baseline {
extern const PointwiseKernels kPointwiseKernels;
}
namespace avx2 {
extern const PointwiseKernels kPointwiseKernels;
}
namespace avx512 {
extern const PointwiseKernels kPointwiseKernels;
}

const PointwiseKernels& pointwise_kernels() {
  static constexpr std::array kOf = {&baseline::kPointwiseKernels, &avx2::kPointwiseKernels,
                                     &avx512::kPointwiseKernels};
  static_assert(kOf.size() == kFloatSets);
  return *kOf[static_cast<size_t>(active_float_simd())];
}

}  // namespace sr::cpu
