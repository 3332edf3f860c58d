#!/usr/bin/env bash
# From nothing to an enlarged scene: installs packages, builds, super-resolves, says where everything is.
#   tools/quickstart.sh [SCENE.tif]      without a scene an invented one is made
set -euo pipefail

factor=2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/build/release/bin
out=$root/out

fail() { echo "quickstart.sh: error: $*" >&2; exit 1; }

[ $# -le 1 ] || { echo "quickstart.sh: error: want at most one scene, not $# arguments" >&2; exit 2; }
scene=${1:-}
if [ -n "$scene" ]; then
  [ -f "$scene" ] || fail "$scene: no such file; give a TIFF, or nothing for an invented scene"
  scene=$(realpath "$scene")
fi

"$root/tools/setup.sh"

log=$root/build/quickstart.log
mkdir -p "$root/build" "$out"
cd "$root"
echo "building (a few minutes the first time; output in $log)"
# A build folder that is there keeps its options. A new one leaves the tests out, whose packages may be missing, and
# does not let another compiler's new warning stop a user.
options=()
[ -f build/release/CMakeCache.txt ] ||
  options=(-DSR_TESTS=OFF -DSR_BENCH=OFF -DCMAKE_COMPILE_WARNING_AS_ERROR=OFF)
if ! { cmake --preset release "${options[@]}" &&
       cmake --build --preset release --target make_scene eval_superres_net; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  fail "the build failed; the whole of its output is in $log"
fi

if [ -z "$scene" ]; then
  scene=$out/scene.tif
  "$bin/make_scene" --quiet --out "$scene" --width 480 --height 360 --seed 19 --samples 4
fi

"$bin/eval_superres_net" --data_path "$scene" --upsampling_factor "$factor" --out_path "$out/x$factor" \
  --pretrained_path "$root/pretrained" --preview

name=$(basename "$scene")
result=$out/x$factor/$name
picture=$out/x$factor/${name%.*}_preview.png
for file in "$result" "$picture"; do
  [ -s "$file" ] || fail "$file was not written"
done
echo
echo "input:        $scene"
echo "result:       $result"
echo "side by side: $picture (left: the input enlarged by bicubic, right: the result)"
