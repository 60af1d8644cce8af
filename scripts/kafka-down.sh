#!/usr/bin/env bash
# Stops an Apache Kafka that scripts/kafka-up.sh of this checkout started, and deletes its data.
#
#   scripts/kafka-down.sh                   the only one that runs; refused when there are several
#   scripts/kafka-down.sh 127.0.0.1:21234   the one with this bootstrap address
#   scripts/kafka-down.sh build/kafka/run/21234
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"

usage() { say "usage: scripts/kafka-down.sh [HOST:PORT | STATE-FOLDER]"; }

# Prints the state folder that argument $1 means.
state_of() {
    local state
    if [[ -d "$1" ]]; then
        state=$(cd "$1" && pwd)
        [[ "$(dirname "$state")" == "$RUN_ROOT" ]] || die "$1 is not a state folder of scripts/kafka-up.sh"
    else
        # The first address of a list is the one that names the folder.
        [[ "${1%%,*}" =~ ^127\.0\.0\.1:([0-9]+)$ ]] || die "neither a bootstrap address nor a state folder: $1"
        state="$RUN_ROOT/${BASH_REMATCH[1]}"
        [[ -d "$state" ]] || die "no Apache Kafka of this checkout has the bootstrap address $1"
    fi
    printf '%s\n' "$state"
}

# Prints the state folder of the only cluster.
only_state() {
    local -a states=()
    local state
    for state in "$RUN_ROOT"/*/; do
        [[ -d "$state" ]] && states+=("${state%/}")
    done
    ((${#states[@]} > 0)) || die "no Apache Kafka of this checkout runs"
    if ((${#states[@]} > 1)); then
        say "several run; name one of these:"
        for state in "${states[@]}"; do
            say "  $(cat "$state/bootstrap" 2>/dev/null || printf '%s' "$state")"
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
    stop_cluster "$state"
}

main "$@"
