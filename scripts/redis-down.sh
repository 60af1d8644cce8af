#!/usr/bin/env bash
# Stops a Redis server that scripts/redis-up.sh of this checkout started, and deletes its data.
#
#   scripts/redis-down.sh                   the only one that runs; refused when there are several
#   scripts/redis-down.sh 127.0.0.1:21234   the one with this address
#   scripts/redis-down.sh build/redis/run/21234
set -euo pipefail

# shellcheck source=scripts/redis/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/redis/common.sh"

usage() { say "usage: scripts/redis-down.sh [HOST:PORT | STATE-FOLDER]"; }

# Prints the state folder that argument $1 means.
state_of() {
    local state
    if [[ -d "$1" ]]; then
        state=$(cd "$1" && pwd)
        [[ "$(dirname "$state")" == "$RUN_ROOT" ]] || die "$1 is not a state folder of scripts/redis-up.sh"
    else
        [[ "$1" =~ ^127\.0\.0\.1:([0-9]+)$ ]] || die "neither an address nor a state folder: $1"
        state="$RUN_ROOT/${BASH_REMATCH[1]}"
        [[ -d "$state" ]] || die "no Redis server of this checkout has the address $1"
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
    ((${#states[@]} > 0)) || die "no Redis server of this checkout runs"
    if ((${#states[@]} > 1)); then
        say "several run; name one of these:"
        for state in "${states[@]}"; do
            say "  $(cat "$state/address" 2>/dev/null || printf '%s' "$state")"
        done
        exit 1
    fi
    printf '%s\n' "${states[0]}"
}

main() {
    local state
    case $# in
    0) state=$(only_state) ;;
    1)
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        -*)
            usage
            die "unknown argument: $1"
            ;;
        esac
        state=$(state_of "$1")
        ;;
    *)
        usage
        die "one argument at most"
        ;;
    esac
    stop_server "$state"
}

main "$@"
