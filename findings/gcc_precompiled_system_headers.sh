#!/usr/bin/env bash
# Guess: a precompiled header changes how fast GCC reads <vector> and <string>, and nothing else. These are system headers,
#   whose warnings GCC keeps to itself, so a source that compiles without a warning still does.
# Behaviour: what the optimizer inlines out of a precompiled system header counts as the project's own code. Its false alarms
#   appear, with the system header's path as their place, and with -Werror the build ends: a literal of more than 31
#   characters that is pushed into a vector of strings is an out-of-bounds memcpy for -Warray-bounds (within -Wall) at -O2 and
#   -O3. The same header included as text by -include, or in the ordinary way, gives none. Turning precompiled headers on in
#   CMake (target_precompile_headers) is enough: six of some 250 sources of this project did not compile any more.
# Seen 2026-11-29, g++-12 12.2.0-14+deb12u1 (Debian 12), Linux x86-64; warnings at -O1, -O2, -O3:
#   includes alone                      0 0 0
#   -include of the header as text      0 0 0
#   -include of the precompiled header  0 1 1   -Warray-bounds in /usr/include/c++/12/bits/char_traits.h
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=12.2.0-14+deb12u1
{ apt-get download "g++-12=$version" "gcc-12=$version" "cpp-12=$version" "libstdc++-12-dev=$version" "libgcc-12-dev=$version" \
    libc6-dev linux-libc-dev libcrypt-dev libisl23 libmpc3 libmpfr6 libgmp10 &&
  for package in *.deb; do dpkg -x "$package" .; done; } >&2 || exit 2
export LD_LIBRARY_PATH=$folder/usr/lib/x86_64-linux-gnu
compile() { usr/bin/g++-12 --sysroot="$folder" -std=c++20 -Wall "$@"; }

printf '#include <string>\n#include <vector>\n' >standard.h
{ cat standard.h; cat <<'SOURCE'; } >source.cpp
void note(std::vector<std::string>& notes, const std::vector<double>& points) {
  const auto take = [&](const std::vector<double>& p) {
    if (!p.empty()) notes.push_back("its ground control points are left out: none beside a grid");
  };
  take(points);
}
SOURCE

counted() {
  local counts=()
  for level in -O1 -O2 -O3; do
    rm -f standard.h.gch
    [ "$1" != precompiled ] || compile "$level" -x c++-header standard.h -o standard.h.gch
    options=()
    [ "$1" = alone ] || options=(-include ./standard.h -Winvalid-pch)
    compile "$level" "${options[@]}" -S source.cpp -o /dev/null 2>warnings.txt || { cat warnings.txt >&2; exit 2; }
    counts+=("$(grep -c 'warning:.*-Warray-bounds' warnings.txt || true)")
  done
  echo "${counts[*]}"
}
alone=$(counted alone) text=$(counted text) precompiled=$(counted precompiled)
echo "g++-12 $version; warnings at -O1, -O2, -O3:"
echo "  includes alone                      $alone"
echo "  -include of the header as text      $text"
echo "  -include of the precompiled header  $precompiled"
grep -o '^/[^:]*char_traits.h' warnings.txt | sed "s|$folder||" | sort -u || true
[ "$alone" = "0 0 0" ] && [ "$text" = "0 0 0" ] && [ "$precompiled" = "0 1 1" ] || { echo "this has changed"; exit 1; }
