#!/usr/bin/env bash
# Training steps a second: one process with as many threads as there are cores in the list, and as many processes of one thread, each
# on a core of its own, in turns; the best of each, and what a process of one thread does alone. Prints a table.
#   bench/train_processes.sh [BIN [CORES [TURNS [OPTION...]]]]     build/release/bin, "0 1", 5; OPTIONs for train_superres_net
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$(realpath "${1:-$root/build/release/bin}")
read -r -a cores <<<"${2:-0 1}"
turns=${3:-5}
options=("${@:4}")
n=${#cores[@]}
list=$(IFS=,; echo "${cores[*]}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/scenes"
"$bin/make_scene" --quiet --out "$work/scenes/a.tif" --width 960 --height 960
"$bin/create_training_dataset" --quiet --data_path "$work/scenes" --out_path "$work/data" --upsampling_factor 2 \
  --tile_size_w 192 --tile_size_h 192
train=("$bin/train_superres_net" --quiet --data_path "$work/data" --upsampling_factor 2 --batch_size 16 --patch_size 24 --nepochs 2
       --validation_steps 100000 --num_validation_tiles 1 --out_path "$work/run" "${options[@]}")

# A process binds itself to its core.
cat >"$work/on_core" <<'RANK'
#!/usr/bin/env bash
cores=($1); shift
exec taskset -c "${cores[${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}]}" "$@"
RANK
chmod +x "$work/on_core"

# NAME COMMAND...: the line "NAME STEPS_A_SECOND"
steps() {
  local name=$1
  shift
  rm -rf "$work/run"
  "$@" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; exit 1; }
  sed -n 's/.*"pixels_per_second":\([0-9.e+]*\).*/\1/p' "$work/run/x2/history.jsonl" | tail -n 1 |
    awk -v name="$name" -v pixels=$((16 * 48 * 48)) '{print name, $1 / pixels}'
}
for _ in $(seq "$turns"); do
  steps one_thread taskset -c "${cores[0]}" "${train[@]}" --threads 1
  steps threads taskset -c "$list" "${train[@]}" --threads "$n"
  for mpi in openmpi mpich; do
    command -v mpirun.$mpi >/dev/null || continue
    start=(mpirun.$mpi -np "$n")
    [ $mpi = mpich ] || start+=(--allow-run-as-root --oversubscribe --bind-to none)
    steps "$mpi" "${start[@]}" "$work/on_core" "${cores[*]}" "${train[@]}" --threads 1
  done
done | awk -v n="$n" '
  !($1 in best) || $2 > best[$1] { best[$1] = $2 }
  END {
    print "| | steps a second | of one process of " n " threads |\n|---|---|---|"
    printf "| one thread | %.2f | %.2f |\n", best["one_thread"], best["one_thread"] / best["threads"]
    printf "| one process of %d threads | %.2f | 1 |\n", n, best["threads"]
    if ("openmpi" in best) printf "| %d processes, Open MPI | %.2f | %.2f |\n", n, best["openmpi"], best["openmpi"] / best["threads"]
    if ("mpich" in best) printf "| %d processes, MPICH | %.2f | %.2f |\n", n, best["mpich"], best["mpich"] / best["threads"]
  }'
