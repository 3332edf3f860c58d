#include "tensor/bands/kernels.h"

#include <array>
#include <atomic>

#include "tensor/bands/tiles_layer.h"
#include "tensor/bands/tiles_packing.h"
#include "tensor/bands/winograd_layer.h"
#include "tensor/bands/winograd_packing.h"
#include "tensor/error.h"
#include "tensor/simd/instruction_set.h"

namespace sr::bands {

namespace tiles {
namespace software {
extern const Functions kFunctions;
}
namespace amx {
extern const Functions kFunctions;
}
}  // namespace tiles

namespace winograd {
namespace baseline {
extern const Functions kFunctions;
}
namespace avx2 {
extern const Functions kFunctions;
}
namespace avx512 {
extern const Functions kFunctions;
}
namespace software {
extern const Functions kFunctions;
}
namespace avx512_bf16 {
extern const Functions kFunctions;
}
}  // namespace winograd

namespace {

template <const tiles::Functions& functions>
constexpr Kernels in_tiles(const char* name) {
  return {.name = name,
          .compiled_for = [] { return functions.compiled_for; },
          .revision = 2,
          .element_bytes = 2,
          .align = 1,
          .rows = tiles::kBlockRows,
          .columns = tiles::kColumns,
          .least_columns = tiles::kColumns / 2,
          .pack = [](const Stage& stage, bool first) { return pack_tiles(stage, first, functions); }};
}

template <const winograd::Functions& functions>
constexpr Kernels by_winograd(const char* name, int revision, int64_t element_bytes) {
  return {.name = name,
          .compiled_for = [] { return functions.compiled_for; },
          .revision = revision,
          .element_bytes = element_bytes,
          .align = winograd::kTile,
          .rows = winograd::kTile,
          .columns = winograd::kColumns,
          .least_columns = winograd::kColumns,
          .pack = [](const Stage& stage, bool first) { return pack_winograd(stage, first, functions); }};
}

std::atomic<Precision> the_precision{Precision::fp32};

constexpr Kernels kAmx = in_tiles<tiles::amx::kFunctions>("amx");
constexpr Kernels kPairs = by_winograd<winograd::avx512_bf16::kFunctions>("avx512_bf16", 3, 2);
constexpr std::array kSoftware = {in_tiles<tiles::software::kFunctions>("software tiles"),
                                  by_winograd<winograd::software::kFunctions>("software pairs", 1, 2)};
constexpr std::array kFloat = {by_winograd<winograd::baseline::kFunctions>("baseline", 1, 4),
                               by_winograd<winograd::avx2::kFunctions>("avx2", 1, 4),
                               by_winograd<winograd::avx512::kFunctions>("avx512", 1, 4)};
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

std::span<const Kernels> software_bf16_kernels() {
  return kSoftware;
}

const Kernels& kernels(Precision precision) {
  if (precision == Precision::fp32) return kFloat[static_cast<size_t>(active_float_simd())];
  if (has_amx()) return kAmx;
  if (has_bf16()) return kPairs;
  throw Error(Error::Kind::unsupported, "bf16: the processor has neither AMX nor AVX-512's products of it",
              active_simd() < best_simd() ? " in the set that SR_SIMD allows" : "");
}

}  // namespace sr::bands
