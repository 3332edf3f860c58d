#!/usr/bin/env bash
# Measures the CPU kernels, the whole network and its training step, into bench/results/cpu_<date>.json and bench/results/README.md:
#   tools/bench.sh [OUTPUT_FOLDER [FILTER]]      FILTER: a regular expression, as 512x512/avx512
# All of it takes about a quarter of an hour on two cores, and needs them to itself: others' work shows in the wall-clock columns.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$(realpath -m "${1:-$root/bench/results}")
filter=${2:-.}
cd "$root"
tools/setup.sh --tests
mkdir -p build "$out"
log=$root/build/bench.log
if ! { cmake --preset release -DSR_BENCH=ON && cmake --build --preset release --target conv2d_bench idn_bench train_bench; } \
     >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "bench.sh: error: the build failed; the whole of its output is in $log" >&2
  exit 1
fi

commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain --untracked-files=no -- . ':!bench/results')" ] || commit="$commit with changes"
parts=()
for bench in conv2d_bench idn_bench train_bench; do
  # Threads that wait without spinning: CPU time then counts work.
  OMP_WAIT_POLICY=passive "build/release/bin/$bench" --benchmark_filter="$filter" --benchmark_repetitions=3 --benchmark_min_time=0.2 \
    --benchmark_report_aggregates_only=true --benchmark_out="build/$bench.json" --benchmark_out_format=json
  parts+=("build/$bench.json")
done
json=$out/cpu_$(date +%Y-%m-%d).json
python3 bench/table.py "$commit" "$json" "$out/README.md" "${parts[@]}"
echo "wrote $json and $out/README.md"
