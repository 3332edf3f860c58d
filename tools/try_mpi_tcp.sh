#!/usr/bin/env bash
# Trains over TCP between two hosts that are network namespaces of this machine, with Open MPI, and compares the checkpoint with
# that of one process: to the bit.
#   tools/try_mpi_tcp.sh [BUILD [DELAY]]     as root; BUILD: build/release; DELAY: of each packet, as tc takes it (30us)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$(realpath "${1:-$root/build/release}")/bin
delay=${2:-}

fail() { echo "try_mpi_tcp.sh: error: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "network namespaces are made by root only; run this with sudo"
for tool in ip unshare mpirun.openmpi; do
  command -v $tool >/dev/null || fail "there is no $tool; apt-get install iproute2 util-linux openmpi-bin"
done
[ -x "$bin/train_superres_net" ] || fail "$bin has no train_superres_net; build it first"

work=$(mktemp -d)
cleanup() {
  for host in one two; do ip netns del "superres_$host" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

ip netns add superres_one
ip netns add superres_two
ip link add eth0 netns superres_one type veth peer name eth0 netns superres_two
number=1
for host in one two; do
  ip -n "superres_$host" addr add "10.77.0.$number/24" dev eth0
  ip -n "superres_$host" link set eth0 up
  ip -n "superres_$host" link set lo up
  [ -z "$delay" ] || ip netns exec "superres_$host" tc qdisc add dev eth0 root netem delay "$delay" limit 100000
  number=$((number + 1))
done

# What mpirun calls to start something on another host: HOST COMMAND...
cat >"$work/agent" <<'AGENT'
#!/usr/bin/env bash
host=$1; shift
[ "$host" = 10.77.0.2 ] || { echo "agent: $host is not the other host" >&2; exit 1; }
exec ip netns exec superres_two unshare --uts bash -c "hostname two; $*"
AGENT
chmod +x "$work/agent"

mkdir "$work/scenes"
"$bin/make_scene" --quiet --out "$work/scenes/a.tif" --width 480 --height 480
"$bin/create_training_dataset" --quiet --data_path "$work/scenes" --out_path "$work/data" --upsampling_factor 2 \
  --tile_size_w 96 --tile_size_h 96
train=("$bin/train_superres_net" --data_path "$work/data" --upsampling_factor 2 --batch_size 16 --patch_size 24 --nepochs 6
       --validation_steps 100000 --num_validation_tiles 1 --threads 1)
"${train[@]}" --quiet --out_path "$work/alone"
ip netns exec superres_one unshare --uts bash -c 'hostname one; exec "$@"' one \
  mpirun.openmpi --allow-run-as-root -np 2 --host 10.77.0.1,10.77.0.2 --bind-to none --mca plm_rsh_agent "$work/agent" \
  --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
  "${train[@]}" --out_path "$work/over_tcp" | tr '\r' '\n' | sed '/^  step/d' | tee "$work/said"
echo "bytes that host two sent: $(ip netns exec superres_two cat /sys/class/net/eth0/statistics/tx_bytes)"
grep -q "in each of 2 processes" "$work/said" || fail "it was not two processes"
newest=$(basename "$(ls "$work"/alone/x2/ckpts/ckpt-*.sr | tail -n 1)")
cmp "$work/alone/x2/ckpts/$newest" "$work/over_tcp/x2/ckpts/$newest" || fail "the weights differ"
echo "$newest is the same to the bit"
