# shellcheck shell=bash
# What redis-up.sh and redis-down.sh share: where a server's state lives and how its process is known again.
#
# A running server is a folder RUN_ROOT/<port>:
#   address      host:port
#   data         path of the temporary folder that holds its files and configuration; deleted on stop
#   server.pid   its process id
#   server.log   what it printed

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Read by the scripts that source this file.
# shellcheck disable=SC2034
RUN_ROOT="$REPOSITORY/build/redis/run"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# Whether process $1 is the server of state folder $2: a server names its port in its title, and works in its own folder, so a
# process id that the system has given to somebody else is not taken for ours.
is_server_of() {
    [[ "$(readlink "/proc/$1/cwd" 2>/dev/null)" == "$(cat "$2/data" 2>/dev/null)" ]] &&
        [[ "$(ps -o args= -p "$1" 2>/dev/null)" == *redis-server* ]]
}

# Stops the server in state folder $1 and removes its data and its state.
stop_server() {
    local state=$1 pid="" waited data
    [[ -s "$state/server.pid" ]] && pid=$(<"$state/server.pid")
    if [[ -n "$pid" ]] && is_server_of "$pid" "$state"; then
        kill -TERM "$pid" 2>/dev/null || true
        # A clean shutdown takes a moment; after 10 s the data is to be deleted anyway.
        for ((waited = 0; waited < 100; waited++)); do
            is_server_of "$pid" "$state" || break
            sleep 0.1
        done
        if is_server_of "$pid" "$state"; then
            say "server $pid did not stop in 10 s; killing it"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    fi
    if [[ -s "$state/data" ]]; then
        data=$(<"$state/data")
        # Only ever a folder that redis-up.sh made.
        [[ "${data##*/}" == ipowdm-redis.* ]] && rm -rf -- "$data"
    fi
    rm -rf -- "$state"
}
