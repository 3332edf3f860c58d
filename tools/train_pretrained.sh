#!/usr/bin/env bash
# Trains the weights of pretrained/ anew: x2 from scratch, x3 and x4 from x2's features.
#   tools/train_pretrained.sh IMAGES WORK [X2_SECONDS X3_SECONDS X4_SECONDS]
# IMAGES: folder with the training pictures (BMP, PNG, JPEG); WORK: gets data sets, runs and WORK/pretrained. A run
# that was stopped goes on where it was when the same command is given again; larger times train longer.
set -euo pipefail

[ $# -eq 2 ] || [ $# -eq 5 ] || { echo "train_pretrained.sh: error: want IMAGES WORK [X2_SECONDS X3_SECONDS X4_SECONDS]" >&2; exit 2; }
images=$1 work=$2 x2_seconds=${3:-3300} x3_seconds=${4:-1380} x4_seconds=${5:-1380}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/build/release/bin
# Threads that wait must not spin: where others use the machine too, a step otherwise takes four times as long.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
[ -x "$bin/train_superres_net" ] ||
  { echo "train_pretrained.sh: error: $bin/train_superres_net is missing; build first: tools/quickstart.sh" >&2; exit 1; }

# prepare FACTOR: the data set, unless it is there. Luma as the literature scores it; scales as the paper.
prepare() {
  [ -f "$work/data/x$1/manifest.json" ] && return
  "$bin/create_training_dataset" --data_path "$images" --out_path "$work/data" --img_ext .bmp .png .jpg \
    --upsampling_factor "$1" --tile_size_w 512 --tile_size_h 512 --luma studio --unrounded \
    --scales 1.0,0.9,0.8,0.7,0.6
}

# train FACTOR SECONDS OPTIONS...: goes on with what is there.
train() {
  local factor=$1 seconds=$2
  shift 2
  local start=("$@")
  ls "$work/run/x$factor/ckpts/"ckpt-*.sr >/dev/null 2>&1 && start=(--restore)
  "$bin/train_superres_net" --data_path "$work/data" --out_path "$work/run" --upsampling_factor "$factor" \
    --batch_size 16 --patch_size 24 --nepochs 1000 --max_seconds "$seconds" --learning_rate 1e-3 \
    --lr_schedule cosine --warmup_steps 100 --clip_norm 0.1 --ema_decay 0.999 --weight_decay 0 \
    --validation_steps 1000 "${start[@]}"
  rm -rf "$work/pretrained/x$factor"
  "$bin/convert_checkpoint" --from "$work/run/x$factor/ckpts/best.sr" --to "$work/pretrained" --upsampling_factor "$factor"
}

prepare 2
train 2 "$x2_seconds" --upsampler_deviation 0.001
for factor in 3 4; do
  prepare "$factor"
  seconds=x${factor}_seconds
  train "$factor" "${!seconds}" --upsampler_deviation 0.001 --start_from "$work/run/x2/ckpts/best.sr"
done
