#!/usr/bin/env bash
# Enlarges a scene of four 16-bit bands by 2 into a Cloud Optimized GeoTIFF, bicubic and ZSTD level 9 with predictor, by
# eval_superres_net and by gdal_translate in turns, and prints seconds, processor seconds and peak memory of each:
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

printf '%-20s %8s %10s %8s %8s\n' program s 'cpu s' MB 'file MB'
for _ in $(seq "$rounds"); do
  ours=$(measured "$bin/eval_superres_net" --data_path "$scene" --bicubic_only --cog --compress zstd --out_path "$folder/ours" --quiet)
  gdal=$(measured gdal_translate -of COG -r cubic -outsize 200% 200% -co COMPRESS=ZSTD -co PREDICTOR=YES -co NUM_THREADS=ALL_CPUS \
    -co OVERVIEW_RESAMPLING=AVERAGE --config GDAL_NUM_THREADS ALL_CPUS "$scene" "$folder/gdal.tif")
  printf '%-20s %8s %10s %8s %8d\n' eval_superres_net $ours $(($(stat -c %s "$folder/ours/scene_${side}_bic_up.tif") >> 20))
  printf '%-20s %8s %10s %8s %8d\n' gdal_translate $gdal $(($(stat -c %s "$folder/gdal.tif") >> 20))
  paste <(echo "$ours") <(echo "$gdal") |
    awk '{ printf "%-20s %7.2fx %9.2fx %7.2fx\n", "gdal / ours", $4 / $1, $5 / $2, $6 / $3 }'
  rm -rf "$folder/ours" "$folder/gdal.tif"
done
