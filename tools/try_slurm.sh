#!/usr/bin/env bash
# Runs a folder of scenes as shards under a real Slurm: one that it starts for itself in a temporary folder, with this machine as
# its only node. An array job of four tasks, of which one is killed and requeued while it computes; a job that depends on the
# array merges the parts; one process computes everything at once. The results must be the same bytes. Then srun starts a training
# of two processes with Open MPI and with MPICH, whose weights must be those of one process.
#   tools/try_slurm.sh [BUILD]      as root; BUILD: build/release. Wants slurm-wlm and munge.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "${1:-$root/build/release}")

fail() { echo "try_slurm.sh: error: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "munged and slurmctld are started as root here; run this with sudo"
for program in munged slurmctld slurmd sbatch; do
  command -v $program >/dev/null || fail "there is no $program; apt-get install slurm-wlm munge"
done
[ -x "$build/bin/superres_merge" ] || fail "$build/bin has no superres_merge; build it first"

work=$(mktemp -d)
daemons=()
stop() {
  [ ${#daemons[@]} = 0 ] || kill "${daemons[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT

# ---- a Slurm of its own ----

node=$(hostname -s) cores=$(nproc)
mkdir "$work/state" "$work/spool"
chmod 755 "$work"
install -d -m 755 "$work/munge"
head -c 1024 /dev/urandom >"$work/munge/key"
chmod 400 "$work/munge/key"
cat >"$work/slurm.conf" <<END
ClusterName=superres
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=5
KillWait=2
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cores
PartitionName=all Nodes=$node Default=YES OverSubscribe=NO
END
export SLURM_CONF=$work/slurm.conf
munged -F --force --socket="$work/munge/socket" --key-file="$work/munge/key" --pid-file="$work/munge/pid" \
  --seed-file="$work/munge/seed" --log-file="$work/munge/log" >"$work/munge/out" 2>&1 &
daemons+=($!)
for _ in $(seq 50); do [ -S "$work/munge/socket" ] && break; sleep 0.1; done
slurmctld -D >"$work/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D -N "$node" >"$work/slurmd.log" 2>&1 &
daemons+=($!)

waits_for() {  # SECONDS WHAT COMMAND...: until the command succeeds
  local seconds=$1 what=$2
  shift 2
  for _ in $(seq $((seconds * 5))); do
    "$@" && return
    sleep 0.2
  done
  tail -n 5 "$work"/slurm*.log >&2
  fail "$what: not within $seconds s"
}
is_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }
waits_for 60 "the node is idle" is_idle
sinfo --version
sinfo

# ---- scenes, and the jobs ----

export PATH=$build/bin:$PATH
mkdir "$work/scenes"
for k in 1 2 3; do
  make_scene --out "$work/scenes/small_$k.tif" --width $((300 + 40 * k)) --height 260 --seed $k --quiet
done
make_scene --out "$work/scenes/large.tif" --width 1500 --height 1400 --bands 4 --type u16 --nodata 0 --quiet
enlarge="eval_superres_net --data_path $work/scenes --pretrained_path $root/pretrained --upsampling_factor 2 --cog --threads 1 --max_memory 150MB"

job() {  # OPTIONS... -- COMMAND: its number
  local options=()
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  sbatch --parsable --ntasks=1 --cpus-per-task=1 --requeue --open-mode=append "${options[@]}" --wrap "$*"
}
array=$(job --job-name=shards --array=1-4 --output="$work/shard_%a.log" -- "$enlarge --out_path $work/out")
merge=$(job --job-name=merge --dependency="afterok:$array" --output="$work/merge.log" -- "superres_merge $work/out")
echo "== array job $array, and job $merge that merges"
squeue -o '%.8i %.10j %.10T %r'

has_begun() { [ -n "$(find "$work/out" -name '*shard-2-of-4*.part' -size +64k 2>/dev/null)" ]; }
waits_for 300 "shard 2 of 4 computes" has_begun
scontrol requeue "${array}_2"
echo "== shard 2 was killed while it computed, and is queued again"
squeue -o '%.8i %.10j %.10T %r'
superres_merge --status "$work/out" || true

is_over() { [ -z "$(squeue -h)" ]; }
waits_for 900 "all jobs are over" is_over
for log in "$work"/shard_?.log "$work/merge.log"; do
  echo "== $(basename "$log")"
  tr '\r' '\n' <"$log" | sed "/Mpixel.s  .*left/d; s,$work/,,g; s,$root/,,g"
done
ls "$work/out"

echo "== all of it by one process"
$enlarge --out_path "$work/whole" --quiet
for scene in "$work"/whole/*.tif; do
  cmp "$scene" "$work/out/$(basename "$scene")" || fail "$(basename "$scene") differs from one process's"
done
echo "$(find "$work/whole" -name '*.tif' | wc -l) results, the same bytes as one process writes"

# ---- trainings ----

mkdir "$work/training"
make_scene --out "$work/training/a.tif" --width 480 --height 480 --quiet
create_training_dataset --data_path "$work/training" --out_path "$work/data" --upsampling_factor 2 --tile_size_w 96 \
  --tile_size_h 96 --quiet
train="train_superres_net --data_path $work/data --upsampling_factor 2 --batch_size 8 --nepochs 2 --num_validation_tiles 1 --threads 1"
$train --out_path "$work/alone" --quiet
for mpi in pmix pmi2; do
  echo "== srun -n 2 --mpi=$mpi"
  srun -n 2 --mpi=$mpi $train --out_path "$work/$mpi" | tr '\r' '\n' | sed "/^  step/d; s,$work/,,g"
  for checkpoint in "$work"/alone/x2/ckpts/*.sr; do
    cmp "$checkpoint" "$work/$mpi/x2/ckpts/$(basename "$checkpoint")" || fail "the weights of --mpi=$mpi differ"
  done
  echo "the weights are those of one process to the bit"
done
