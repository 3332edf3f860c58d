#include "tensor/conv2d/cpu/kernels.h"

#include <array>

#include "tensor/simd/instruction_set.h"

namespace sr::cpu {

namespace baseline {
extern const ConvKernels kConvKernels;
}
namespace avx2 {
extern const ConvKernels kConvKernels;
}
namespace avx512 {
extern const ConvKernels kConvKernels;
}

const ConvKernels& conv_kernels() {
  static constexpr std::array kOf = {&baseline::kConvKernels, &avx2::kConvKernels, &avx512::kConvKernels};
  static_assert(kOf.size() == kFloatSets);
  return *kOf[static_cast<size_t>(active_float_simd())];
}

}  // namespace sr::cpu
