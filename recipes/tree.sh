#!/bin/bash
# tree.sh FROM TO [options of eval_superres_net]: enlarges every .tif below the folder FROM into a file of the same path
# below TO. What cannot be enlarged is named at the end; run again, it goes on, and leaves alone what is made.
set -u
if [ $# -lt 2 ] || [ ! -d "$1" ]; then
  echo "tree.sh: error: want two folders, FROM and TO; there is no folder '${1-}'" >&2
  exit 2
fi
from=$(realpath -- "$1") to=$(realpath -m -- "$2")
shift 2
case $to/ in
"$from"/*)
  echo "tree.sh: error: $to lies in $from, so that its results would be enlarged the next time; choose another" >&2
  exit 2
  ;;
esac
failed=()
while IFS= read -r -d '' scene; do
  eval_superres_net --data_path "$scene" --out_file "$to/${scene#"$from"/}" "$@" </dev/null || failed+=("$scene")
done < <(find -L "$from" -type f -iname '*.tif' ! -name '._*' -print0 | sort -z)
if [ ${#failed[@]} -gt 0 ]; then
  printf 'not enlarged:\n' >&2
  printf '%s\n' "${failed[@]}" >&2
  exit 1
fi
