#!/usr/bin/env bash
# Runs a compilation by nvcc and keeps what its ptxas says of the kernels beside the object, for ptxas_test.cmake:
#   keep.sh nvcc ... -Xptxas -v ... -o OBJECT     writes OBJECT.ptxas
# Whatever else is said, a warning or an error, goes on to where it was meant for.
set -uo pipefail

object=
for ((i = 1; i < $#; ++i)); do
  if [ "${!i}" = -o ]; then
    next=$((i + 1))
    object=${!next}
  fi
done
[ -n "$object" ] || exec "$@"

"$@" 2>"$object.ptxas"
status=$?
grep -vE '^ptxas info |^ +[0-9]+ bytes stack frame, ' "$object.ptxas" >&2
exit $status
