#!/usr/bin/env bash
# Stops a Redis server that scripts/redis-up.sh of this checkout started, and deletes its data.
#
#   scripts/redis-down.sh                   the only one that runs; refused when there are several
#   scripts/redis-down.sh 127.0.0.1:21234   the one with this address
#   scripts/redis-down.sh build/redis/run/21234
set -euo pipefail

# shellcheck source=scripts/redis/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/redis/common.sh"

stop_as_asked "$@"
