#!/usr/bin/env bash
# A Slurm of one node on loopback, for a test: slurm_node.sh start DIR | stop DIR.
# Everything lives in DIR: keys, sockets, spool, logs, and slurm.conf for SLURM_CONF.  `start` prints why and exits
# with 77 where it cannot be (Debian: slurmctld, slurmd, slurm-client, munge).
set -u
PATH=$PATH:/usr/sbin:/sbin
dir=$2

cannot() {
    echo "$1"
    stop
    exit 77
}

# By the ids that the daemons wrote, and only where they are still those daemons.
stop() {
    local name pid
    for name in slurmd slurmctld munged; do
        pid=$(cat "$dir/$name.pid" 2> /dev/null) || continue
        [[ $(cat "/proc/$pid/comm" 2> /dev/null) == "$name" ]] || continue
        kill "$pid"
        for _ in {1..50}; do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
        kill -9 "$pid" 2> /dev/null
    done
}

# A port that nobody listens on.
free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); do
        (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || break
    done
    echo "$port"
}

start() {
    local tool host name memory
    for tool in munged slurmctld slurmd sbatch scontrol squeue; do
        command -v "$tool" > /dev/null || cannot "there is no $tool here"
    done
    [[ $(id -u) == 0 ]] || cannot "slurmd wants to be root"
    mkdir -p "$dir"/{spool,state,munge} && chmod 755 "$dir" && chmod 700 "$dir/munge"
    head -c 1024 /dev/urandom > "$dir/munge/key" && chmod 400 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" || cannot "munged does not start"
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
    cat > "$dir/slurm.conf" << CONF
ClusterName=loop
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=5
OverTimeLimit=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    touch "$dir/cgroup.conf"
    export SLURM_CONF=$dir/slurm.conf
    slurmctld -f "$SLURM_CONF" > "$dir/slurmctld.out" 2>&1 || cannot "slurmctld does not start: $(tail -1 "$dir/slurmctld.out")"
    slurmd -f "$SLURM_CONF" > "$dir/slurmd.out" 2>&1 || cannot "slurmd does not start: $(tail -1 "$dir/slurmd.out")"
    for _ in {1..100}; do
        sinfo -h -o %T 2> /dev/null | grep -q '^idle$' && exit 0
        sleep 0.1
    done
    cannot "the node does not come up: $(tail -1 "$dir/slurmd.log" 2> /dev/null; tail -1 "$dir/slurmctld.log" 2> /dev/null)"
}

case ${1:-} in
    start) start ;;
    stop) stop ;;
    *) echo "usage: slurm_node.sh start DIR | stop DIR" >&2; exit 2 ;;
esac
