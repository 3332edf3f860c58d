#!/bin/sh
# tree.sh FROM TO [options of eval_superres_net]: enlarges every .tif below the folder FROM into a file of the same path
# below TO. What cannot be enlarged is named at the end; run again, it goes on, and leaves alone what is made.
set -u
from=$1 to=$2
shift 2
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT
find "$from" -type f -iname '*.tif' | sort | while IFS= read -r scene; do
  result=$to/${scene#"$from"/}
  eval_superres_net --data_path "$scene" --out_file "$result" "$@" </dev/null || printf '%s\n' "$scene" >>"$failed"
done
if [ -s "$failed" ]; then
  echo "not enlarged:" >&2
  cat "$failed" >&2
  exit 1
fi
