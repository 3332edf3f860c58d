#include "tensor/bands/kernels.h"

#include <array>
#include <atomic>

#include "tensor/bands/bf16.h"
#include "tensor/bands/bf16_packing.h"
#include "tensor/bands/fp32.h"
#include "tensor/bands/fp32_packing.h"
#include "tensor/error.h"
#include "tensor/simd/instruction_set.h"

namespace sr::bands {

namespace bf16 {
namespace software {
extern const Functions kFunctions;
}
namespace avx512_bf16 {
extern const Functions kFunctions;
}
namespace amx {
extern const Functions kFunctions;
}
}  // namespace bf16

namespace fp32 {
namespace baseline {
extern const Functions kFunctions;
}
namespace avx2 {
extern const Functions kFunctions;
}
namespace avx512 {
extern const Functions kFunctions;
}
}  // namespace fp32

namespace {

template <const bf16::Functions& functions>
constexpr Kernels bf16_kernels(const char* name) {
  return {.name = name,
          .revision = 2,
          .element_bytes = 2,
          .align = 1,
          .rows = bf16::kBlockRows,
          .columns = bf16::kColumns,
          .least_columns = bf16::kColumns / 2,
          .pack = [](const Stage& stage, bool first) { return pack_bf16(stage, first, functions); }};
}

std::atomic<Precision> the_precision{Precision::fp32};

constexpr Kernels kSoftware = bf16_kernels<bf16::software::kFunctions>("software");
constexpr Kernels kAvx512Bf16 = bf16_kernels<bf16::avx512_bf16::kFunctions>("avx512_bf16");
constexpr Kernels kAmx = bf16_kernels<bf16::amx::kFunctions>("amx");

template <const fp32::Functions& functions>
constexpr Kernels fp32_kernels(const char* name) {
  return {.name = name,
          .revision = 1,
          .element_bytes = 4,
          .align = fp32::kTile,
          .rows = fp32::kTile,
          .columns = fp32::kColumns,
          .least_columns = fp32::kColumns,
          .pack = [](const Stage& stage, bool first) { return pack_fp32(stage, first, functions); }};
}

constexpr std::array kFloat = {fp32_kernels<fp32::baseline::kFunctions>("baseline"),
                               fp32_kernels<fp32::avx2::kFunctions>("avx2"),
                               fp32_kernels<fp32::avx512::kFunctions>("avx512")};
static_assert(kFloat.size() == kFloatSets);

}  // namespace

const char* name_of(Precision precision) {
  return precision == Precision::fp32 ? "fp32" : "bf16";
}

void set_precision(Precision precision) {
  static_cast<void>(kernels(precision));  // throws where there are none
  the_precision = precision;
}

Precision precision() {
  return the_precision;
}

bool has_bf16() {
  return active_simd() >= Simd::avx512_bf16;
}

bool has_amx() {
  return active_simd() == Simd::amx;
}

const Kernels& software_bf16_kernels() {
  return kSoftware;
}

const Kernels& kernels(Precision precision) {
  if (precision == Precision::fp32) return kFloat[static_cast<size_t>(active_float_simd())];
  if (has_amx()) return kAmx;
  if (has_bf16()) return kAvx512Bf16;
  throw Error(Error::Kind::unsupported, "bf16: the processor has neither AMX nor AVX-512's products of it",
              active_simd() < best_simd() ? " in the set that SR_SIMD allows" : "");
}

}  // namespace sr::bands
