#include "tensor/simd/instruction_set.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "tensor/error.h"

namespace sr {
namespace {

Simd checked(Simd simd) {
  if (static_cast<int>(simd) > static_cast<int>(best_simd()))
    throw Error(Error::Kind::usage, "instruction set ", name_of(simd), ": this processor has at most ",
                name_of(best_simd()));
  return simd;
}

Simd initial_simd() {
  const char* asked = std::getenv("SR_SIMD");
  if (!asked) return best_simd();
  for (const Simd simd : {Simd::baseline, Simd::avx2, Simd::avx512})
    if (asked == std::string(name_of(simd))) return checked(simd);
  throw Error(Error::Kind::usage, "SR_SIMD=", asked,
              ": not an instruction set; use baseline, avx2 or avx512");
}

std::atomic<Simd>& active() {
  static std::atomic<Simd> simd{initial_simd()};
  return simd;
}

}  // namespace

const char* name_of(Simd simd) {
  constexpr const char* kNames[] = {"baseline", "avx2", "avx512"};
  return kNames[static_cast<int>(simd)];
}

Simd best_simd() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return Simd::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Simd::avx2;
  return Simd::baseline;
}

Simd active_simd() {
  return active();
}

void set_simd(Simd simd) {
  active() = checked(simd);
}

}  // namespace sr
