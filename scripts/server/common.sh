# shellcheck shell=bash
# What the scripts that start and stop servers for tests share: where the state of running servers lives, how one is found,
# how its processes are stopped, and ports.
#
# A running server is a folder RUN_ROOT/<port>, named after the port that its clients connect to:
#   address   host:port, of several nodes with commas
#   data      path of the temporary folder that holds its files and configuration; deleted on stop
#   *.pid     process ids
#   *.log     what the processes printed
#
# The file that sources this sets KIND (kafka, redis: names scripts and folders), SERVER (the name for people) and STOP_TIME
# (seconds that a clean stop may take), and defines `is_process_of PID STATE`: whether a process belongs to the server of a
# state folder, so that a process id that the system has given to somebody else is not taken for ours.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2154
RUN_ROOT="$REPOSITORY/build/$KIND/run"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# read_up_arguments ARGUMENT…: what a start script is called with. Sets PARENT to the folder for the server's files, and CHOSEN
# to the options given, of those in the array OPTIONS. `usage` prints what is possible.
read_up_arguments() {
    PARENT=
    CHOSEN=()
    while (($# > 0)); do
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        -*)
            if [[ " ${OPTIONS[*]} " != *" $1 "* ]]; then
                usage
                die "unknown argument: $1"
            fi
            CHOSEN+=("$1")
            ;;
        *)
            if [[ -n "$PARENT" ]]; then
                usage
                die "one folder at most"
            fi
            [[ -d "$1" ]] || die "no such folder: $1"
            PARENT=$(cd "$1" && pwd)
            ;;
        esac
        shift
    done
    PARENT=${PARENT:-${TMPDIR:-/tmp}}
}

# Whether option $1 was given.
chosen() { [[ " ${CHOSEN[*]} " == *" $1 "* ]]; }

# Prints a TCP port of 127.0.0.1 on which nobody listens. Ports are drawn below the usual range of outgoing
# connections, so only another listener could take it before the server does; the caller then draws again.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return
        fi
    done
    die "no free port found in 100 draws"
}

# Claims port $1 for a server that is about to start: sets STATE and DATA. Until `keep_server` the server is stopped when the
# script ends. Status 1: another script has claimed the port.
claim_port() {
    STATE="$RUN_ROOT/$1"
    mkdir -p "$RUN_ROOT"
    # The folder doubles as the claim among scripts that start at the same time.
    mkdir "$STATE" 2>/dev/null || return 1
    trap 'stop_server "$STATE"' EXIT
    trap 'exit 130' INT TERM
    DATA=$(mktemp -d "$PARENT/ipowdm-$KIND.XXXXXX")
    printf '%s\n' "$DATA" >"$STATE/data"
    printf '127.0.0.1:%s\n' "$1" >"$STATE/address"
}

# The server outlives the script.
keep_server() { trap - EXIT INT TERM; }

# Starts a server with `start_server`, which leaves ADDRESS empty where a port was taken meanwhile, and prints its address.
start_on_free_port() {
    for _ in {1..5}; do
        start_server
        if [[ -n "$ADDRESS" ]]; then
            # shellcheck disable=SC2154
            say "$SERVER is ready; stop it with scripts/$KIND-down.sh $ADDRESS"
            printf '%s\n' "$ADDRESS"
            return
        fi
        say "a port was taken meanwhile; trying another"
    done
    die "no start in 5 attempts: every port drawn was taken"
}

# Stops every process of the server in state folder $1 and removes its data and its state.
stop_server() {
    local state=$1 file pid waited data
    local -a pids=()
    for file in "$state"/*.pid; do
        [[ -e "$file" ]] || continue
        pid=$(<"$file")
        if [[ -n "$pid" ]] && is_process_of "$pid" "$state"; then
            pids+=("$pid")
            kill -TERM "$pid" 2>/dev/null || true
        fi
    done
    for pid in "${pids[@]}"; do
        # After that the data is to be deleted anyway.
        # shellcheck disable=SC2154
        for ((waited = 0; waited < STOP_TIME * 10; waited++)); do
            is_process_of "$pid" "$state" || break
            sleep 0.1
        done
        if is_process_of "$pid" "$state"; then
            say "process $pid did not stop in $STOP_TIME s; killing it"
            kill -KILL "$pid" 2>/dev/null || true
        fi
    done
    if [[ -s "$state/data" ]]; then
        data=$(<"$state/data")
        # Only ever a folder that claim_port made.
        [[ "${data##*/}" == "ipowdm-$KIND".* ]] && rm -rf -- "$data"
    fi
    rm -rf -- "$state"
}

# Prints the state folder that argument $1 means.
state_of() {
    local state
    if [[ -d "$1" ]]; then
        state=$(cd "$1" && pwd)
        [[ "$(dirname "$state")" == "$RUN_ROOT" ]] || die "$1 is not a state folder of scripts/$KIND-up.sh"
    else
        [[ "$1" =~ ^127\.0\.0\.1:([0-9]+)(,127\.0\.0\.1:[0-9]+)*$ ]] || die "neither an address nor a state folder: $1"
        state="$RUN_ROOT/${BASH_REMATCH[1]}"
        [[ -d "$state" ]] || die "no $SERVER of this checkout has the address $1"
    fi
    printf '%s\n' "$state"
}

# Prints the state folder of the only server.
only_state() {
    local -a states=()
    local state
    for state in "$RUN_ROOT"/*/; do
        [[ -d "$state" ]] && states+=("${state%/}")
    done
    ((${#states[@]} > 0)) || die "no $SERVER of this checkout runs"
    if ((${#states[@]} > 1)); then
        say "several run; name one of these:"
        for state in "${states[@]}"; do
            say "  $(cat "$state/address" 2>/dev/null || printf '%s' "$state")"
        done
        exit 1
    fi
    printf '%s\n' "${states[0]}"
}

# stop_as_asked ARGUMENT…: all that a stop script does.
stop_as_asked() {
    local state usage="usage: scripts/$KIND-down.sh [HOST:PORT | STATE-FOLDER]"
    case $# in
    0) state=$(only_state) ;;
    1)
        case $1 in
        -h | --help)
            say "$usage"
            exit 0
            ;;
        -*)
            say "$usage"
            die "unknown argument: $1"
            ;;
        esac
        state=$(state_of "$1")
        ;;
    *)
        say "$usage"
        die "one argument at most"
        ;;
    esac
    stop_server "$state"
}
