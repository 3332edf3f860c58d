#!/bin/sh
# A whole scene's rate beside that of the network alone: SIDE x SIDE pixels of RGB, x2, from reading to the written file, as by
# default and without compression, and passes over 512 x 512 pixels in memory. In turns, ROUNDS of them; the fastest of each
# counts. The network sees luma, one band.
#   bench/scene_rate.sh BUILD [PRECISION [ROUNDS [SIDE [THREADS]]]]    as build/release fp32 3 4000 2
set -eu
bin=$(cd "$1/bin" && pwd)
precision=${2:-fp32} rounds=${3:-3} side=${4:-4000} threads=${5:-2}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
weights=$(cd "$(dirname "$0")/../pretrained" && pwd)
"$bin/make_scene" --out "$folder/scene.tif" --width "$side" --height "$side" --bands 3 --type u8 --quiet

# The best instruction set's, which is named first.
pass=$("$bin/idn_bench" --benchmark_list_tests --benchmark_filter="^bands/$precision/x2/512x512/[^/]+/${threads}_threads/" | sed -n 1p)
[ -n "$pass" ] || { echo "scene_rate.sh: error: idn_bench has no bands/$precision for $threads threads here" >&2; exit 1; }

# Seconds for the scene, with options of its own.
scene() {
  begin=$(date +%s.%N)
  "$bin/eval_superres_net" --data_path "$folder/scene.tif" --out_path "$folder/out" --overwrite --upsampling_factor 2 --device cpu \
    --precision "$precision" --pretrained_path "$weights" --threads "$threads" --quiet "$@"
  echo "$begin $(date +%s.%N)" | awk '{ print $2 - $1 }'
}

for round in $(seq "$rounds"); do
  network=$(OMP_WAIT_POLICY=passive "$bin/idn_bench" --benchmark_filter="^$pass\$" --benchmark_min_time=2 --benchmark_format=csv \
              2>/dev/null | awk -F, 'END { print $3 / 1000 }')
  by_default=$(scene)
  plain=$(scene --compress none)
  echo "$network $by_default $plain" |
    awk -v side="$side" '{ print 512 * 512 / $1 / 1e6, side * side / $2 / 1e6, side * side / $3 / 1e6 }'
done | awk '
  { print "round " NR ": network " $1 " Mpixel/s, scene " $2 ", without compression " $3
    if ($1 > network) network = $1; if ($2 > scene) scene = $2; if ($3 > plain) plain = $3 }
  END { printf "of the rate of the network alone: the scene %.3f, without compression %.3f\n", scene / network, plain / network }'
