# shellcheck shell=bash
# What redis-up.sh and redis-down.sh share.

# Read by the scripts that source this file.
# shellcheck disable=SC2034
KIND=redis SERVER="Redis" STOP_TIME=10

# shellcheck source=scripts/server/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../server/common.sh"

# A server names its port in its title, and works in its own folder.
is_process_of() {
    [[ "$(readlink "/proc/$1/cwd" 2>/dev/null)" == "$(cat "$2/data" 2>/dev/null)" ]] &&
        [[ "$(ps -o args= -p "$1" 2>/dev/null)" == *redis-server* ]]
}
