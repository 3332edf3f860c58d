#!/usr/bin/env bash
# Enlarges a scene of four 16-bit bands by 2 into a Cloud Optimized GeoTIFF, bicubic and ZSTD with predictor, by
# eval_superres_net and by gdal_translate in turns, each at its default level (5 and 9), then both at 9, then both at 5;
# prints seconds, processor seconds, peak memory and size of the file of each:
#   bench/cog_peer.sh [SIDE [FOLDER [ROUNDS]]]      SIDE 10980: Sentinel-2's; FOLDER on a disk with room for the files
# gdal_translate makes overviews by AVERAGE too. Both work with all processors. Needs /usr/bin/time and gdal-bin.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
side=${1:-10980}
folder=$(realpath -m "${2:-$root/build/cog_peer}")
rounds=${3:-2}
bin=$root/build/release/bin
mkdir -p "$folder"
scene=$folder/scene_$side.tif
[ -f "$scene" ] || "$bin/make_scene" --out "$scene" --width "$side" --height "$side" --bands 4 --type u16 --samples 2 --quiet
export OMP_WAIT_POLICY=passive

# Seconds, processor seconds and megabytes of a command.
measured() {
  /usr/bin/time -f '%e %U %S %M' -o "$folder/time" "$@" >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
  awk '{ printf "%.1f %.1f %.0f\n", $1, $2 + $3, $4 / 1024 }' "$folder/time"
}

# compare OURS GDALS: both at these levels.
compare() {
  local ours gdal
  ours=$(measured "$bin/eval_superres_net" --data_path "$scene" --bicubic_only --cog --compress zstd --level "$1" --out_path "$folder/ours" --quiet)
  gdal=$(measured gdal_translate -of COG -r cubic -outsize 200% 200% -co COMPRESS=ZSTD -co LEVEL="$2" -co PREDICTOR=YES \
    -co NUM_THREADS=ALL_CPUS -co OVERVIEW_RESAMPLING=AVERAGE --config GDAL_NUM_THREADS ALL_CPUS "$scene" "$folder/gdal.tif")
  ours+=" $(($(stat -c %s "$folder/ours/scene_${side}_bic_up.tif") >> 20))"
  gdal+=" $(($(stat -c %s "$folder/gdal.tif") >> 20))"
  printf '%-18s %5d %8s %8s %8s %8s\n' eval_superres_net "$1" $ours gdal_translate "$2" $gdal
  paste <(echo "$ours") <(echo "$gdal") |
    awk '{ printf "%-24s %7.2fx %7.2fx %7.2fx %7.2fx\n", "gdal / ours", $5 / $1, $6 / $2, $7 / $3, $8 / $4 }'
  rm -rf "$folder/ours" "$folder/gdal.tif"
}

printf '%-18s %5s %8s %8s %8s %8s\n' program level s 'cpu s' MB 'file MB'
for _ in $(seq "$rounds"); do
  compare 5 9
  compare 9 9
  compare 5 5
done
