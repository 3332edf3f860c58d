#!/usr/bin/env bash
# All that needs a GPU, in one go and under 8 minutes: device tests, compute-sanitizer, PSNR of every precision, a scene,
# the network's speed, its kernels' hardware counters, PyTorch's speed, and each layer beside cuDNN. From an unpacked archive of
# tools/gpu_bundle.sh, or a build tree.
#   gpu_check.sh [OUTPUT_FOLDER]
# Writes gpu_check.json, gpu_check.md and gpu_check.log into OUTPUT_FOLDER (default: $OUT, else ./gpu_check). Fails if a test
# failed or was not there, if the sanitizer found an error, or if a precision is further from the processor than it may be.
# What is not there (compute-sanitizer, ncu, PyTorch, cuDNN, the data of a test) is said and does not count as a failure.
#   SR_PARTS    some of "tests sanitizer precision scene network counters peers layers" (default: all)
#   SR_SECONDS  what all of it may take (default: 460). Each part has a fixed time (part_seconds), less if all of them do not fit;
#               the layers get what the others leave too
#   SR_IMAGES   folder of ground-truth images, SR_BIN of programs, instead of those beside this script
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -f "$here/tests.txt" ]; then
  root=$here bin=$here/bin images=$here/images
  [ ! -d "$here/shared" ] || export IDN_SHARED=$here/shared
  mapfile -t tests <"$here/tests.txt"
  commit=$(cat "$here/commit.txt")
else
  root=$(dirname "$here") bin=$root/build/release/bin images=$root/../shared/data/benchmark/Set5
  tests=()
  while read -r name; do  # as gpu_bundle.sh has it
    name=${name%.cpp}
    [[ $name == cuda_emulation* ]] || tests+=("${name//\//_}")
  done < <(cd "$root/tests" && find . -name '*_test.cpp' | sed 's|^\./||' | grep '\(^\|[/_]\)cuda[/_]' | LC_ALL=C sort)
  commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
fi
images=${SR_IMAGES:-$images} bin=${SR_BIN:-$bin}
all_parts="tests sanitizer precision scene network counters peers layers"
parts=${SR_PARTS:-$all_parts}
most_seconds=${SR_SECONDS:-460}
out=${1:-${OUT:-gpu_check}}
declare -A part_seconds=([tests]=60 [sanitizer]=55 [precision]=30 [scene]=20 [network]=60 [counters]=35 [peers]=100 [layers]=100)

fail() { echo "gpu_check.sh: error: $*" >&2; exit 1; }
[ $# -le 1 ] || { echo "gpu_check.sh: error: want at most an output folder, not $# arguments" >&2; exit 2; }
for part in $parts; do
  [[ " $all_parts " == *" $part "* ]] ||
    { echo "gpu_check.sh: error: SR_PARTS: there is no part '$part'" >&2; exit 2; }
done
[[ $most_seconds =~ ^[0-9]+$ ]] || { echo "gpu_check.sh: error: SR_SECONDS is '$most_seconds'; want a number" >&2; exit 2; }
[ -x "$bin/cuda_network_bench" ] || fail "$bin/cuda_network_bench is not there; build it where nvcc is, or unpack an archive of gpu_bundle.sh"
bin=$(cd "$bin" && pwd)
export PATH=$bin:$PATH  # where tests look for the programs that they run
work=$(mktemp -d) || fail "no folder for temporary files"
trap 'rm -rf "$work"' EXIT
machine=$(timeout -k 5 60 "$bin/cuda_network_bench" --machine 2>"$work/machine.err") ||
  fail "no GPU that can be used: $(tail -n 1 "$work/machine.err" | sed 's/^cuda_network_bench: error: //')"
mkdir -p "$out" || fail "$out cannot be made"
out=$(cd "$out" && pwd)
failures=()

wanted() { [[ " $parts " == *" $1 "* ]]; }
left() { echo $((most_seconds - SECONDS)); }
part_ends=$most_seconds  # of the part that runs; see run_part
at_most() { local rest=$((part_ends - SECONDS)); echo $((rest < $1 ? (rest > 1 ? rest : 1) : $1)); }
say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
quoted() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/["\\]/\\&/g')"; }
# boxed SECONDS NAME COMMAND...: its output in $work/NAME.out; 124 or 137 if it was cut off.
boxed() {
  local box=$1 name=$2
  shift 2
  timeout -k 2 "$box" "$@" >"$work/$name.out" 2>&1 </dev/null
}
# tool_in_toolkit NAME: its path, or nothing.
tool_in_toolkit() {
  command -v "$1" || find /usr/local/cuda*/bin /usr/local/cuda*/compute-sanitizer /opt/nvidia/nsight-compute/* -maxdepth 1 -name "$1" 2>/dev/null |
    head -n 1
}
cut_off() { [ "$1" -eq 124 ] || [ "$1" -eq 137 ]; }
# joined FILE...: their lines, each a JSON value, as one array.
joined() { printf '['; cat "$@" 2>/dev/null | paste -sd, - | tr -d '\n'; printf ']'; }
section() { printf '\n## %s\n\n' "$1" >>"$work/table"; cat >>"$work/table"; }

# ---- Device tests: a line of JSON and a row of the table for each program ----

run_test() {
  local name=$1 box=$2 status=0 state passed failed skipped start=$SECONDS
  if [ -x "$bin/$name" ]; then
    boxed "$box" "$name" "$bin/$name" || status=$?
  else
    echo "there is no $bin/$name" >"$work/$name.out"
    status=127
  fi
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$work/$name.out" | tail -n 1)
  failed=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$work/$name.out" | tail -n 1)
  skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$work/$name.out" | tail -n 1)
  # A program that finds no GPU skips its tests, and GoogleTest then counts them as passed.
  if [ $status -eq 127 ]; then state="not built"
  elif cut_off $status; then state="cut off after $box s"
  elif [ $status -ne 0 ]; then state=failed
  elif grep -q 'needs a GPU' "$work/$name.out"; then state="ran nothing: no GPU was found"
  elif [ "${passed:-0}" -gt 0 ]; then state=passed
  elif [ "${skipped:-0}" -gt 0 ]; then state="skipped: $(grep -m 1 -A 1 ': Skipped$' "$work/$name.out" | tail -n 1)"
  else state="ran nothing"; fi
  printf '{"name": "%s", "state": %s, "passed": %d, "failed": %d, "skipped": %d, "seconds": %d}\n' \
    "$name" "$(quoted "$state")" "${passed:-0}" "${failed:-0}" "${skipped:-0}" $((SECONDS - start)) >"$work/$name.test"
  echo "| $name | $state | ${passed:-0} | ${failed:-0} | ${skipped:-0} | $((SECONDS - start)) |" >"$work/$name.row"
  case $state in
    passed) ;;
    skipped:*) say "$name: $state" ;;
    *) echo "$name: $state" >>"$work/failed_tests" ;;
  esac
}

device_tests() {
  local at_once=4 end name
  end=$part_ends
  export OMP_NUM_THREADS=$((($(nproc) + at_once - 1) / at_once))
  for name in "${tests[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge $at_once ]; do wait -n; done
    run_test "$name" $((end - SECONDS > 100 ? 100 : end - SECONDS > 1 ? end - SECONDS : 1)) &
  done
  wait
  unset OMP_NUM_THREADS
  [ ! -f "$work/failed_tests" ] || mapfile -t -O ${#failures[@]} failures <"$work/failed_tests"
  { printf '| program | state | passed | failed | skipped | s |\n|---|---|---|---|---|---|\n'
    cat "$work"/*.row; } | section "Device tests"
}

# ---- compute-sanitizer on small tests ----

sanitized=(tensor_cuda_tensor_core_test: tensor_ops_reduce_cuda_test: tensor_ops_pointwise_cuda_test: optim_adam_cuda_test:
           tensor_cuda_sm90_hopper_test: "tensor_conv2d_cuda_algorithms_test:*SeveralImages*:*ImageLayer*" "idn_network_cuda_test:*ResultIsTheProcessors/fp16_x2")

reports_errors() {
  awk '/^=========/ && !/COMPUTE-SANITIZER|SUMMARY: 0 |0 hazards|^========= *$/ {found = 1} END {exit !found}' "$1"
}

run_sanitizer() {
  local tool=$1 name=$2 filter=$3 box=$4 status=0 state log=$1.$2
  boxed "$box" "$log" "$sanitizer" --tool "$tool" --error-exitcode 86 "$bin/$name" --gtest_filter="${filter:-*}" || status=$?
  if grep -qiE 'device not supported|unable to find|internal sanitizer error|needs a GPU' "$work/$log.out"; then state="cannot be used here"
  elif [ $status -eq 86 ] || reports_errors "$work/$log.out"; then state="found errors"
  elif cut_off $status; then state="cut off after $box s, nothing found until then"
  elif [ $status -ne 0 ]; then state="the test failed"
  elif ! grep -qE '^\[  PASSED  \] [1-9]' "$work/$log.out"; then state="ran nothing"
  else state=clean; fi
  printf '{"tool": "%s", "test": "%s", "state": "%s"}\n' "$tool" "$name" "$state" >"$work/$log.sanitizer"
  echo "| $tool | $name | $state |" >"$work/$log.sanitizer_row"
  [[ $state == "found errors" || $state == "the test failed" || $state == "ran nothing" ]] && echo "compute-sanitizer $tool, $name: $state" >>"$work/failed_sanitizer"
}

sanitizer_checks() {
  local entry tool end
  sanitizer=$(tool_in_toolkit compute-sanitizer)
  if [ -z "$sanitizer" ]; then
    say "no compute-sanitizer here"
    echo "compute-sanitizer is not on this machine." | section "compute-sanitizer"
    return
  fi
  end=$part_ends
  for entry in "${sanitized[@]}"; do
    [ -x "$bin/${entry%%:*}" ] || continue
    for tool in memcheck racecheck synccheck; do
      if [ $SECONDS -ge $end ]; then
        echo "| $tool | ${entry%%:*} | no time was left |" >"$work/$tool.${entry%%:*}.sanitizer_row"
        continue
      fi
      run_sanitizer "$tool" "${entry%%:*}" "${entry#*:}" $((end - SECONDS > 25 ? 25 : end - SECONDS)) &
    done
    wait
  done
  [ ! -f "$work/failed_sanitizer" ] || mapfile -t -O ${#failures[@]} failures <"$work/failed_sanitizer"
  { printf '| tool | test | state |\n|---|---|---|\n'; cat "$work"/*.sanitizer_row; } | section "compute-sanitizer"
}

# ---- PSNR of every precision, and how far it is from the processor's ----

score() {
  local factor=$1 kind=$2 options=(--device cuda --precision "$2")
  [ "$kind" != cpu ] || options=(--device cpu)
  boxed "$(at_most 60)" "score_${factor}_$kind" "$bin/score_superres_net" --data_path "$images" \
    --pretrained_path "$root/pretrained" --upsampling_factor "$factor" "${options[@]}" || return 0
  awk '/^mean of/ {print $7}' "$work/score_${factor}_$kind.out" >"$work/psnr_${factor}_$kind"
}

precision_table() {
  local factor kind psnr cpu row
  if [ -z "$(find "$images" -maxdepth 1 -type f 2>/dev/null | head -n 1)" ]; then
    say "no images for the table of precisions ($images)"
    echo "No images: give gpu_bundle.sh a folder, or set SR_IMAGES." | section "Precision"
    return
  fi
  for factor in 2 3 4; do
    for kind in cpu fp32 tf32 bf16 fp16; do score $factor $kind & done
    wait
    cpu=$(cat "$work/psnr_${factor}_cpu" 2>/dev/null)
    row="| x$factor | ${cpu:-failed} |"
    for kind in fp32:0.001 tf32:0.001 bf16:0.03 fp16:0.01; do
      psnr=$(cat "$work/psnr_${factor}_${kind%:*}" 2>/dev/null)
      if [ -z "$psnr" ] || [ -z "$cpu" ]; then
        row+=" failed |"
        failures+=("PSNR x$factor ${kind%:*}: $(tail -n 1 "$work/score_${factor}_${kind%:*}.out")")
        continue
      fi
      row+=$(awk -v a="$psnr" -v b="$cpu" 'BEGIN {printf " %.4f (%+.4f) |", a, a - b}')
      printf '{"factor": %d, "precision": "%s", "psnr": %s, "cpu_psnr": %s}\n' "$factor" "${kind%:*}" "$psnr" "$cpu" >>"$work/precision"
      awk -v a="$psnr" -v b="$cpu" -v most="${kind#*:}" 'BEGIN {d = a - b; exit !(d <= most && d >= -most)}' ||
        failures+=("PSNR x$factor ${kind%:*}: $psnr dB, the processor's is $cpu; at most ${kind#*:} apart")
    done
    echo "$row" >>"$work/precision_rows"
  done
  { printf '| | cpu | fp32 | tf32 | bf16 | fp16 |\n|---|---|---|---|---|---|\n'; cat "$work/precision_rows"; } |
    section "PSNR of luma in dB (difference from the processor's float32)"
}

# ---- A scene from file to file ----

scene() {
  local side=3000 status=0
  boxed "$(at_most 40)" make_scene "$bin/make_scene" --quiet --out "$work/scene.tif" --width $side --height $side --seed 1 --samples 4 ||
    { say "no scene: $(tail -n 1 "$work/make_scene.out")"; return; }
  boxed "$(at_most 60)" scene "$bin/eval_superres_net" --data_path "$work/scene.tif" --pretrained_path "$root/pretrained" \
    --out_path "$work/scene_x2" --device cuda --compress none --verify 4 || status=$?
  [ $status -eq 0 ] || failures+=("a scene of $side x $side: $(tail -n 1 "$work/scene.out")")
  { echo '```'; cat "$work/scene.out"; echo '```'; } | section "A scene of $side x $side, x2, uncompressed"
  printf '{"side": %d, "factor": 2, "status": %d, "said": %s}\n' $side $status "$(quoted "$(grep -E 'wrote' "$work/scene.out" | tail -n 1 | sed "s|$work/||")")" >"$work/scene.json"
  rm -rf "$work/scene.tif" "$work/scene_x2"
}

# ---- Speed ----

network() {
  local box status=0
  box=$(at_most 60)
  boxed "$box" network "$bin/cuda_network_bench" --commit "$commit" --json "$work/network.json" || status=$?
  if cut_off $status; then printf '\ncut off after %d s\n' "$box" >>"$work/network.out"
  elif [ $status -ne 0 ]; then failures+=("cuda_network_bench: $(tail -n 1 "$work/network.out")"); fi
  section "The network, x2 to x4" <"$work/network.out"
}

# ---- Hardware counters ----

# Metrics of kernel_table.py that this GPU has.
metrics() {
  boxed "$(at_most 10)" metrics "$ncu" --query-metrics --csv
  local metric list=gpu__time_duration.sum,launch__registers_per_thread,launch__grid_size
  for metric in sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_elapsed \
    sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed dram__throughput.avg.pct_of_peak_sustained_elapsed \
    lts__throughput.avg.pct_of_peak_sustained_elapsed l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed \
    sm__warps_active.avg.pct_of_peak_sustained_active; do
    grep -qw "${metric%%.*}" "$work/metrics.out" && list+=,$metric
  done
  echo "$list"
}

no_counters() {
  say "no counters of a $1: $2"
  echo "None: $2" | section "Kernels of one $1"
}

counters() {
  local entry what list box
  ncu=$(tool_in_toolkit ncu)
  if [ -z "$ncu" ]; then
    say "no ncu here"
    echo "ncu is not on this machine." | section "Hardware counters"
    return
  fi
  list=$(metrics)
  for entry in "tile fp16" "step bf16"; do
    what=${entry% *}
    box=$(at_most 20)
    # Clocks as they are in the other parts; kernels of recorded steps one by one.
    boxed "$box" "counters_$what" "$ncu" --clock-control none --profile-from-start off --csv --page raw --metrics "$list" \
      "$bin/cuda_network_bench" --profile "$what" --precision "${entry#* }" ||
      { no_counters "$what" "$(grep -m 1 -E '==ERROR==|error:' "$work/counters_$what.out" || echo "cut off after $box s")"; continue; }
    python3 "$root/bench/cuda/kernel_table.py" "$work/counters_$what.out" >"$work/counters_$what.table" 2>"$work/kernel_table.out" ||
      { no_counters "$what" "$(tail -n 1 "$work/kernel_table.out")"; continue; }
    section "Kernels of one $what, x2, ${entry#* }" <"$work/counters_$what.table"
  done
}

peers() {
  local box status=0 ours=()
  box=$(at_most 60)
  boxed "$box" torch python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || status=$?
  if cut_off $status; then
    say "PyTorch was not loaded within $box s"
    echo "PyTorch was not loaded within $box s." | section "PyTorch"
    return
  elif [ $status -ne 0 ]; then
    say "no PyTorch with a GPU here"
    echo "PyTorch with CUDA is not on this machine." | section "PyTorch"
    return
  fi
  [ ! -f "$work/network.json" ] || ours=(--ours "$work/network.json")
  box=$(at_most 130)
  # What PyTorch says on the way, long lists of kernels among it, is not for the table.
  timeout -k 2 "$box" python3 "$root/bench/cuda/peers.py" "${ours[@]}" --commit "$commit" --json "$work/peers.json" \
    --seconds $((box * 4 / 5)) >"$work/peers.out" 2>"$work/peers_errors.out" </dev/null || status=$?
  if cut_off $status; then printf '\ncut off after %d s\n' "$box" >>"$work/peers.out"
  elif [ $status -ne 0 ]; then failures+=("peers.py: $(tail -n 1 "$work/peers_errors.out")"); fi
  section "PyTorch" <"$work/peers.out"
}

# Folders of cuDNN, cuBLAS and NVRTC that are not where the loader looks: those of Python's packages and of the toolkit.
library_path() {
  local folder path=$root/lib
  while read -r folder; do path+=:$folder; done < <(
    python3 -c 'import glob, site, sys
for place in dict.fromkeys(sys.path + site.getsitepackages()):
    print("\n".join(glob.glob(place + "/nvidia/*/lib")))' 2>/dev/null | sed '/^$/d'
    ls -d /usr/local/cuda*/lib64 /usr/local/cuda*/lib 2>/dev/null)
  echo "$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
}

layers() {
  local box status=0 path lacking
  if [ ! -x "$bin/cuda_bench" ]; then
    say "no cuda_bench here: it was built without cuDNN"
    echo "cuda_bench was built without cuDNN." | section "Layers"
    return
  fi
  path=$(library_path)
  lacking=$(LD_LIBRARY_PATH=$path ldd "$bin/cuda_bench" | awk '/not found/ {print $1}' | paste -sd' ' -)
  if [ -n "$lacking" ]; then
    say "layers not measured: not found here: $lacking"
    echo "Not found on this machine: $lacking; set LD_LIBRARY_PATH." | section "Layers"
    return
  fi
  box=$(left)
  LD_LIBRARY_PATH=$path boxed "$box" layers "$bin/cuda_bench" --commit "$commit" --json "$work/layers.json" --seconds $((box * 4 / 5)) || status=$?
  if cut_off $status; then printf '\ncut off after %d s\n' "$box" >>"$work/layers.out"
  elif [ $status -ne 0 ]; then failures+=("cuda_bench: $(tail -n 1 "$work/layers.out")"); fi
  section "Layers beside cuDNN" <"$work/layers.out"
}

# ---- All of it ----

if wanted peers; then  # from a cold disk it is slow to load: meanwhile. Disowned, so that no part waits for it.
  timeout -k 5 120 python3 -c 'import torch' >/dev/null 2>&1 </dev/null &
  disown
fi
device=$(sed -n 's/^ *"device": "\(.*\)",*$/\1/p' <<<"$machine")
say "$device, commit $commit"
: >"$work/table"
# run_part NAME FUNCTION: if there is time. Its end is its share of what is left: what the parts to come are due comes after it.
# That a check was not made is a failure, that a speed was not measured is none.
run_part() {
  wanted "$1" || return 0
  local part due=0 seconds=${part_seconds[$1]} later=0
  for part in $all_parts; do
    [ "$part" != "$1" ] || later=1
    if [ $later -eq 1 ] && wanted "$part"; then due=$((due + part_seconds[$part])); fi
  done
  [ "$due" -le "$(left)" ] || seconds=$((seconds * $(left) / due))
  part_ends=$((SECONDS + seconds))
  if [ "$seconds" -ge 5 ]; then
    "$2"
    say "$1: done, ${#failures[@]} failures until now"
    return
  fi
  say "$1: no time was left"
  echo "No time was left." | section "$1"
  [[ " network counters peers layers " == *" $1 "* ]] || failures+=("$1: no time was left")
}
run_part tests device_tests
run_part sanitizer sanitizer_checks
run_part precision precision_table
run_part scene scene
run_part network network
run_part counters counters
run_part peers peers
run_part layers layers

value() { if [ -s "$1" ]; then cat "$1"; else echo null; fi; }
{
  printf '{"commit": %s, "date": "%s", "seconds": %d,\n"machine": %s,\n' "$(quoted "$commit")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" $SECONDS "$machine"
  printf '"failures": %s,\n' "$(for f in "${failures[@]}"; do quoted "$f"; echo; done | joined -)"
  printf '"tests": %s,\n"sanitizer": %s,\n"precision": %s,\n' "$(joined "$work"/*.test)" "$(joined "$work"/*.sanitizer)" "$(joined "$work/precision")"
  for part in scene network peers layers; do
    printf '"%s": %s%s\n' $part "$(value "$work/$part.json")" "$([ $part = layers ] || echo ,)"
  done
  echo '}'
} >"$out/gpu_check.json"
{
  printf '# %s\n\nCommit %s, %s; %d s. ' "$device" "$commit" "$(date -u +%Y-%m-%d)" $SECONDS
  if [ ${#failures[@]} -eq 0 ]; then echo "Nothing failed."; else printf 'Failed:\n\n'; printf '* %s\n' "${failures[@]}"; fi
  cat "$work/table"
} >"$out/gpu_check.md"
for log in "$work"/*.out; do
  [ -f "$log" ] || continue  # none, if there was no time for any part
  printf '\n==== %s\n' "$(basename "$log" .out)"
  tail -c 200000 "$log"
done >"$out/gpu_check.log"
say "wrote $out/gpu_check.json, gpu_check.md, gpu_check.log"
[ ${#failures[@]} -eq 0 ] || { printf 'failed: %s\n' "${failures[@]}" >&2; exit 1; }
