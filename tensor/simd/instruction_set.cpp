#include "tensor/simd/instruction_set.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tensor/error.h"

namespace sr {
namespace {

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}

bool has_bit(unsigned leaf, unsigned subleaf, int reg, int bit) {
  unsigned r[4] = {};
  return __get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]) != 0 && (r[reg] >> bit & 1) != 0;
}

bool has_avx512_bf16() {
  return has_avx512() && has_bit(7, 1, 0, 5);
}

bool has_amx() {
  return has_avx512_bf16() && has_bit(7, 0, 3, 22) && has_bit(7, 0, 3, 24);
}

// The registers of tiles are 8 KB that the kernel must save for each thread: it wants to be asked, and may
// refuse.
int asked_for_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const int error = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 0 : errno;
  return error;
}

struct InstructionSet {
  const char* name;
  bool (*here)();  // whether this processor has it
};
// In the order of Simd.
constexpr std::array kSets = {
    InstructionSet{"baseline", [] { return true; }},
    InstructionSet{"avx2", [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
    InstructionSet{"avx512", has_avx512},
    InstructionSet{"avx512_bf16", has_avx512_bf16},
    InstructionSet{"amx", [] { return has_amx() && asked_for_tiles() == 0; }},
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

std::vector<Simd> float_simd() {
  std::vector<Simd> sets = all_simd();
  sets.resize(kFloatSets);
  return sets;
}

const char* name_of(Simd simd) {
  return kSets[static_cast<size_t>(simd)].name;
}

Simd best_simd() {
  static const Simd set = [] {
    size_t best = 0;
    while (best + 1 < kSets.size() && kSets[best + 1].here()) ++best;
    return static_cast<Simd>(best);
  }();
  return set;
}

Simd active_simd() {
  return active();
}

Simd active_float_simd() {
  return std::min(active_simd(), static_cast<Simd>(kFloatSets - 1));
}

std::string why_no_amx() {
  if (!has_amx() || asked_for_tiles() == 0) return {};
  return std::string("the system does not let this process use AMX (") + std::strerror(asked_for_tiles()) +
         ")";
}

void set_simd(Simd simd) {
  active() = checked(simd);
}

}  // namespace sr
