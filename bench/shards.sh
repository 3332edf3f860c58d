#!/bin/sh
# What sharing a scene out costs: one process of 2 threads beside two processes of 1 thread, each with a processor of its own,
# and joining their parts. In turns, ROUNDS of them; the fastest of each counts.
#   bench/shards.sh BUILD [ROUNDS [PROCESSORS]]    as build/release 5 0,1
set -eu
bin=$(cd "$1/bin" && pwd)
rounds=${2:-5}
processors=${3:-0,1}
first=${processors%,*} second=${processors#*,}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
weights=$(cd "$(dirname "$0")/../pretrained" && pwd)
"$bin/make_scene" --out "$folder/scene.tif" --width 3072 --height 4096 --quiet

now() { date +%s.%N; }
enlarge() {
  taskset -c "$1" "$bin/eval_superres_net" --data_path "$folder/scene.tif" --upsampling_factor 2 --device cpu \
    --pretrained_path "$weights" --quiet --out_path "$folder/$2" --threads "$3" --shard "$4"
}

for round in $(seq "$rounds"); do
  rm -rf "$folder/one" "$folder/two"
  begin=$(now)
  enlarge "$processors" one 2 none
  one=$(now)
  enlarge "$first" two 1 1/2 & a=$!
  enlarge "$second" two 1 2/2 & b=$!
  wait $a && wait $b
  two=$(now)
  "$bin/superres_merge" "$folder/two" --threads 2 --quiet
  joined=$(now)
  cmp "$folder/one/scene.tif" "$folder/two/scene.tif"
  echo "$begin $one $two $joined" | awk '{ print $2 - $1, $3 - $2, $4 - $3 }'
done | awk '
  { print "round " NR ": one process " $1 " s, two shards " $2 " s, joining " $3 " s"
    if (NR == 1 || $1 < one) one = $1; if (NR == 1 || $2 < two) two = $2; if (NR == 1 || $3 < joined) joined = $3 }
  END { printf "two shards %.3f of the time of one process, joining %.3f of it; the files are the same\n", two / one, joined / one }'
