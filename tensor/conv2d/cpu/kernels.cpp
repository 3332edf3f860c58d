#include "tensor/conv2d/cpu/kernels.h"

#include <array>

#include "tensor/conv2d/cpu/bf16.h"
#include "tensor/error.h"
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
namespace tiles {
namespace software {
extern const Bf16Kernels kBf16Kernels;
}
namespace amx {
extern const Bf16Kernels kBf16Kernels;
}
}  // namespace tiles
namespace pairs {
namespace software {
extern const Bf16Kernels kBf16Kernels;
}
namespace avx512_bf16 {
extern const Bf16Kernels kBf16Kernels;
}
}  // namespace pairs

const ConvKernels& conv_kernels() {
  static constexpr std::array kOf = {&baseline::kConvKernels, &avx2::kConvKernels, &avx512::kConvKernels};
  static_assert(kOf.size() == kFloatSets);
  return *kOf[static_cast<size_t>(active_float_simd())];
}

const Bf16Kernels& bf16_kernels() {
  if (active_simd() == Simd::amx) return tiles::amx::kBf16Kernels;
  if (active_simd() == Simd::avx512_bf16) return pairs::avx512_bf16::kBf16Kernels;
  if (best_simd() >= Simd::avx2) return tiles::software::kBf16Kernels;
  throw Error(Error::Kind::unsupported,
              "bf16: the processor has not even AVX2, which its arithmetic in "
              "plain code needs");
}

const Bf16Kernels& software_pairs_kernels() {
  return pairs::software::kBf16Kernels;
}

}  // namespace sr::cpu
