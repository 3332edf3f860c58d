#!/usr/bin/env bash
# Guess: a Slurm job that is requeued while it runs (scontrol requeue) waits for the next free node, and on an idle cluster starts
#   again at once.
# Behaviour: it may not begin before the life of credentials is over, two minutes unless AuthInfo has cred_expire, and a second
#   more. Until then it is pending, however idle the nodes.
# Seen 2026-11-30, slurmctld 22.05.8-4+deb12u3 and munge 0.5.15-2+deb12u1 (Debian 12), one node; seconds until the job may begin:
#   cred_expire not given    121
#   cred_expire=30           31
set -euo pipefail

[ "$(id -u)" = 0 ] || { echo "slurmd is started as root only" >&2; exit 2; }
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
slurm=22.05.8-4+deb12u3 munge=0.5.15-2+deb12u1
{ apt-get download "slurmctld=$slurm" "slurmd=$slurm" "slurm-client=$slurm" "slurm-wlm-basic-plugins=$slurm" "munge=$munge" \
    "libmunge2=$munge" libhwloc15 libjson-c5 libyaml-0-2 libpmix2 libreadline8 &&
  for package in *.deb; do dpkg -x "$package" .; done; } >&2 || exit 2
libraries=$folder/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries/slurm-wlm:$libraries PATH=$folder/usr/sbin:$folder/usr/bin:$PATH SLURM_CONF=$folder/slurm.conf
chmod 755 "$folder"
mkdir -p state spool munge
chmod 755 munge
head -c 1024 /dev/urandom >munge/key
chmod 400 munge/key
node=$(hostname -s)

waits_for() {
  for _ in $(seq 100); do "$@" && return; sleep 0.2; done
  echo "not within 20 s: $*" >&2
  exit 2
}
is_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }
runs() { [ "$(squeue -h -j "$1" -o %T)" = RUNNING ]; }
is_pending() { [ "$(squeue -h -j "$1" -o %T)" = PENDING ]; }

# MORE for AuthInfo: seconds from requeueing to the time at which the job may begin.
wait_after() {
  cat >slurm.conf <<END
ClusterName=one
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthInfo=socket=$folder/munge/socket$1
PluginDir=$libraries/slurm-wlm
SlurmctldPort=16917
SlurmdPort=16918
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
KillWait=1
NodeName=$node NodeAddr=127.0.0.1 CPUs=1
PartitionName=all Nodes=$node Default=YES
END
  munged -F --force --socket=munge/socket --key-file=munge/key --pid-file=munge/pid --seed-file=munge/seed \
    --log-file=munge/log >munge/out 2>&1 &
  waits_for test -S munge/socket
  slurmctld -D -c >slurmctld.log 2>&1 &
  slurmd -D -N "$node" >slurmd.log 2>&1 &
  waits_for is_idle
  local job now begin
  job=$(sbatch --parsable --requeue --output=/dev/null --wrap 'sleep 600')
  waits_for runs "$job"
  now=$(date +%s)
  scontrol requeue "$job"
  waits_for is_pending "$job"
  begin=$(scontrol show job "$job" | sed -n 's/.*EligibleTime=\([^ ]*\).*/\1/p')
  scancel "$job"
  kill $(jobs -p)
  wait || true
  rm -f munge/socket*
  echo $(($(date -d "$begin" +%s) - now))
}
default=$(wait_after "")
short=$(wait_after ",cred_expire=30")
printf '%-24s %s\n' "cred_expire not given" "$default" cred_expire=30 "$short"
within() { [ "$1" -ge "$2" ] && [ "$1" -le $(($2 + 2)) ]; }
within "$default" 121 && within "$short" 31
