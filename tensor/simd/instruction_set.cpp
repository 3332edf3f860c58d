#include "tensor/simd/instruction_set.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "tensor/error.h"

namespace sr {
namespace {

struct InstructionSet {
  const char* name;
  bool (*here)();  // whether this processor has it
};
// In the order of Simd.
constexpr std::array kSets = {
    InstructionSet{"baseline", [] { return true; }},
    InstructionSet{"avx2", [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
    InstructionSet{"avx512",
                   [] {
                     return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
                   }},
};
static_assert(kSets.size() == kSimdSets);

Simd checked(Simd simd) {
  if (simd > best_simd())
    throw Error(Error::Kind::usage, "instruction set ", name_of(simd), ": this processor has at most ",
                name_of(best_simd()));
  return simd;
}

Simd initial_simd() {
  const char* asked = std::getenv("SR_SIMD");
  if (!asked) return best_simd();
  std::string names;
  for (const Simd simd : all_simd()) {
    if (asked == std::string(name_of(simd))) return checked(simd);
    names += names.empty() ? "" : static_cast<size_t>(simd) + 1 < kSets.size() ? ", " : " or ";
    names += name_of(simd);
  }
  throw Error(Error::Kind::usage, "SR_SIMD=", asked, ": not an instruction set; use ", names);
}

std::atomic<Simd>& active() {
  static std::atomic<Simd> simd{initial_simd()};
  return simd;
}

}  // namespace

std::vector<Simd> all_simd() {
  std::vector<Simd> all;
  for (size_t i = 0; i < kSets.size(); ++i) all.push_back(static_cast<Simd>(i));
  return all;
}

const char* name_of(Simd simd) {
  return kSets[static_cast<size_t>(simd)].name;
}

Simd best_simd() {
  size_t best = 0;
  while (best + 1 < kSets.size() && kSets[best + 1].here()) ++best;
  return static_cast<Simd>(best);
}

Simd active_simd() {
  return active();
}

void set_simd(Simd simd) {
  active() = checked(simd);
}

}  // namespace sr
