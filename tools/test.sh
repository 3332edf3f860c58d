#!/usr/bin/env bash
# Everything that must hold: builds with warnings as errors and runs all tests, first as released, then under
# AddressSanitizer and UBSan (the programs that the tests start included). Fails if anything fails.
#   tools/test.sh
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
logs=$root/build/test-logs
mkdir -p "$logs"
jobs=$(nproc)
# Two tests run at a time, each with threads of its own: those that wait must not spin.
export OMP_WAIT_POLICY=passive

# say_and_run NAME COMMAND...: output into a log, of which the end is shown if the command fails.
say_and_run() {
  local name=$1 start=$SECONDS
  shift
  printf '%-20s' "$name"
  if ! "$@" >"$logs/${name// /-}.log" 2>&1 </dev/null; then
    echo "FAILED after $((SECONDS - start)) s"
    grep -E -A 8 ': Failure$|error: |ERROR: |runtime error: ' "$logs/${name// /-}.log" | head -n 80 || true
    tail -n 15 "$logs/${name// /-}.log"
    echo "test.sh: error: '$name' failed; its whole output is in $logs/${name// /-}.log" >&2
    return 1
  fi
  echo "done in $((SECONDS - start)) s"
}

"$root/tools/setup.sh" --tests

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
failed=0
for preset in release sanitize; do
  bench=ON
  [ "$preset" = release ] || bench=OFF
  say_and_run "$preset configure" cmake --preset "$preset" -DSR_TESTS=ON -DSR_BENCH=$bench \
    -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "${launcher[@]}"
  say_and_run "$preset build" cmake --build --preset "$preset" -j "$jobs"
  # A failing test does not keep the other build's tests from being run.
  say_and_run "$preset tests" ctest --preset "$preset" -j "$jobs" --no-tests=error || failed=1
done

# The build of a machine without the CUDA toolkit: unoptimized, where what is not called must link too, and each source by itself,
# which must include what it uses. It makes the released one's bytes, and refuses a GPU in one line.
without_cuda() {
  local programs=build/no_cuda/bin made=build/no_cuda/made
  cmake -S . -B build/no_cuda -G Ninja -DCMAKE_BUILD_TYPE=None -DSR_CUDA=off -DSR_UNITY=OFF -DSR_TESTS=OFF \
    -DSR_BENCH=OFF -DCMAKE_COMPILE_WARNING_AS_ERROR=ON "${launcher[@]}" || return
  cmake --build build/no_cuda -j "$jobs" --target make_scene eval_superres_net train_superres_net || return
  rm -rf "$made" && mkdir "$made" || return
  "$programs/make_scene" --out "$made/scene.tif" --width 60 --height 40 || return
  local build
  for build in no_cuda release; do
    "build/$build/bin/eval_superres_net" --data_path "$made/scene.tif" --upsampling_factor 2 --device cpu \
      --pretrained_path pretrained --out_file "$made/$build.tif" || return
  done
  cmp "$made/no_cuda.tif" "$made/release.tif" || return
  local program
  for program in eval_superres_net train_superres_net; do
    if "$programs/$program" --data_path "$made" --out_path "$made/refused" --upsampling_factor 2 --device cuda 2>"$made/said"; then
      echo "error: $program takes a GPU that it has no code for"
      return 1
    fi
    cat "$made/said"
    [ "$(wc -l <"$made/said")" = 1 ] && grep -q 'error: --device cuda: this build has no CUDA' "$made/said" || return
  done
}
say_and_run "without CUDA" without_cuda || failed=1

# What was skipped is said; it does not count as passed. In the release build the tests of CUDA kernels need a GPU, but for
# those that search for races on the host.
for preset in release sanitize; do
  log=$logs/$preset-tests.log
  ran=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log" || true)
  skipped=$(sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .*\*\*\*Skipped.*/\1/p' "$log")
  on_gpu=$(grep -E '^[a-z0-9_]*_cuda_[a-z0-9_]*test\.' <<<"$skipped" || true)
  echo "$preset: $ran tests, $(grep -c . <<<"$skipped") skipped, of them $(grep -c . <<<"$on_gpu") for want of a GPU"
  { grep -vxF "$on_gpu" <<<"$skipped" || true; } | sed 's/^/  skipped: /'
done
# ptxas's words are judged and the library is installed in the release build only, and the tests of CUDA kernels differ: on a
# GPU and searching for races there, under the sanitizers here.
in_both() {
  grep -E '^ *[0-9]+/[0-9]+ Test +#' "$1" |
    grep -cvE 'Test +#[0-9]+: (ptxas_test\.|tools_library_test\.|([a-z0-9_]+_)?cuda_)'
}
[ "$(in_both "$logs/release-tests.log")" = "$(in_both "$logs/sanitize-tests.log")" ] || {
  echo "test.sh: error: the two builds did not run the same number of tests" >&2
  failed=1
}
echo "all of it took $((SECONDS / 60)) min $((SECONDS % 60)) s"
grep -h 'tests passed,' "$logs/release-tests.log" "$logs/sanitize-tests.log"
exit $failed
