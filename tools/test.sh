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
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
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

# What was skipped, and why, is said; it does not count as passed.
for preset in release sanitize; do
  log=$logs/$preset-tests.log
  ran=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#' "$log" || true)
  skipped=$(grep -cE '\*\*\*Skipped' "$log" || true)
  echo "$preset: $ran tests, $skipped skipped"
  sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .*\*\*\*Skipped.*/  skipped: \1/p' "$log"
done
# Only the release build has nvcc's output to judge and searches for races.
in_both() { grep -E '^ *[0-9]+/[0-9]+ Test +#' "$1" | grep -cvE 'Test +#[0-9]+: (ptxas_test|[a-z0-9_]+_races)\.'; }
[ "$(in_both "$logs/release-tests.log")" = "$(in_both "$logs/sanitize-tests.log")" ] || {
  echo "test.sh: error: the two builds did not run the same number of tests" >&2
  failed=1
}
echo "all of it took $((SECONDS / 60)) min $((SECONDS % 60)) s"
grep -h 'tests passed,' "$logs/release-tests.log" "$logs/sanitize-tests.log"
exit $failed
