# shellcheck shell=bash
# What kafka-up.sh and kafka-down.sh share: where a cluster's state lives and how its processes are known again.
#
# A running cluster is a folder RUN_ROOT/<port>, named after the client port of its first node:
#   bootstrap      host:port,host:port,… of its nodes
#   data           path of the temporary folder that holds logs and configuration; deleted on stop
#   node-N.pid     process id of node N
#   node-N.log     what node N printed

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE="$REPOSITORY/build/kafka"
# Read by the scripts that source this file.
# shellcheck disable=SC2034
RUN_ROOT="$CACHE/run"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Whether process $1 is a node of the cluster in state folder $2: the server carries the folder's path as a Java
# property, so a process id that the system has given to somebody else is not taken for ours.
is_node_of() {
    [[ "$(ps -o args= -p "$1" 2>/dev/null)" == *"-Dipowdm.cluster=$2 "* ]]
}

# Stops every node of the cluster in state folder $1 and removes its data and its state.
stop_cluster() {
    local state=$1 file pid waited data
    local -a pids=()
    for file in "$state"/node-*.pid; do
        [[ -e "$file" ]] || continue
        pid=$(<"$file")
        if [[ -n "$pid" ]] && is_node_of "$pid" "$state"; then
            pids+=("$pid")
            kill -TERM "$pid" 2>/dev/null || true
        fi
    done
    for pid in "${pids[@]}"; do
        # A clean shutdown takes a second or two; after 15 s the data is to be deleted anyway.
        for ((waited = 0; waited < 150; waited++)); do
            is_node_of "$pid" "$state" || break
            sleep 0.1
        done
        if is_node_of "$pid" "$state"; then
            say "node $pid did not stop in 15 s; killing it"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    if [[ -s "$state/data" ]]; then
        data=$(<"$state/data")
        # Only ever a folder that kafka-up.sh made.
        [[ "${data##*/}" == ipowdm-kafka.* ]] && rm -rf -- "$data"
    fi
    rm -rf -- "$state"
}
