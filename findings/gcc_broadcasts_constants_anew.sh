#!/usr/bin/env bash
# Guess: _mm256_broadcast_ss(&f) and _mm256_set1_ps(f) compile alike where f is known: GCC folds the load of a constant, shares
#   the vector among all its uses and keeps it in a register or in memory.
# Behaviour: set1 becomes one vector for each constant, at most a broadcast each (7 in all below). A broadcast from the address
#   stays a broadcast where it is used: 119 for 144 multiply-adds. From -O2 on GCC shares the constant, but as one number: 48 of
#   the 119 copy it from lane 0 of one register to all of another, each an instruction of its own beside the multiply-adds;
#   with -O1 all load it from memory. In this project's transforms such copies were 290 of 1,100 instructions.
# Seen 2026-12-01, g++-12 12.2.0-14+deb12u1 (Debian 12), Linux x86-64, -mavx2 -mfma; broadcasts from a register, of all:
#   _mm256_broadcast_ss(&f)   -O1 0 of 118   -O2 48 of 119   -O3 48 of 119
#   _mm256_set1_ps(f)         -O1 0 of 7     -O2 0 of 7      -O3 0 of 7
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=12.2.0-14+deb12u1
{ apt-get download "g++-12=$version" "gcc-12=$version" "cpp-12=$version" "libstdc++-12-dev=$version" "libgcc-12-dev=$version" \
    libc6-dev linux-libc-dev libcrypt-dev libisl23 libmpc3 libmpfr6 libgmp10 &&
  for package in *.deb; do dpkg -x "$package" .; done; } >&2 || exit 2
export LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu

# A transform of 6 x 6 vectors, first its columns, then its rows, by multiply-adds of known factors.
cat >transform.cpp <<'SOURCE'
#include <immintrin.h>
static inline __m256 add(__m256 a, float f, __m256 b) { return _mm256_fmadd_ps(CONSTANT, b, a); }
static inline void apply(const __m256 (&d)[6], __m256 (&t)[6]) {
  t[0] = add(add(d[4], -2.640625f, d[2]), 0.87890625f, d[0]);
  const __m256 a = add(d[4], -2.25f, d[2]), b = add(d[3], -2.25f, d[1]);
  t[1] = add(a, 0.625f, b), t[2] = add(a, -0.625f, b);
  const __m256 c = add(d[4], -0.390625f, d[2]), e = add(d[3], -0.390625f, d[1]);
  t[3] = add(c, 1.5f, e), t[4] = add(c, -1.5f, e);
  t[5] = add(add(d[5], -2.640625f, d[3]), 0.87890625f, d[1]);
}
void transform(const float* x, float* y, long n) {
  for (long k = 0; k < n; k += 8) {
    __m256 half[6][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      __m256 d[6], t[6];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) d[i] = _mm256_loadu_ps(x + (i * 6 + j) * n + k);
      apply(d, t);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) half[i][j] = t[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) {
      __m256 t[6];
      apply(half[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) _mm256_storeu_ps(y + (i * 6 + j) * n + k, t[j]);
    }
  }
}
SOURCE

counted() {
  local counts=()
  for level in -O1 -O2 -O3; do
    usr/bin/g++-12 --sysroot="$folder" -std=c++17 "$level" -mavx2 -mfma "-DCONSTANT=$1" -S transform.cpp -o transform.s || exit 2
    counts+=("$(grep -cP 'vbroadcastss\t%xmm' transform.s || true)/$(grep -c vbroadcastss transform.s || true)")
  done
  echo "${counts[*]}"
}
from_address=$(counted '_mm256_broadcast_ss(&f)') set1=$(counted '_mm256_set1_ps(f)')
echo "g++-12 $version; broadcasts from a register / all at -O1, -O2, -O3:"
echo "  _mm256_broadcast_ss(&f)   $from_address"
echo "  _mm256_set1_ps(f)         $set1"
[ "$from_address" = "0/118 48/119 48/119" ] && [ "$set1" = "0/7 0/7 0/7" ] || { echo "this has changed"; exit 1; }
