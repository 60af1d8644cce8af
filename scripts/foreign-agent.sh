#!/bin/sh
# An agent that this project did not write, as existing ones behave: kafka-python, `setupConnection` looked for at the top level,
# results without a command id, nothing read back, no record keys, the same agent id in every sample.
#
#   scripts/foreign-agent.sh HOST:PORT VOP POP ROUTER PORT
#
# Runs until it is killed. The Python clients are installed into build/foreign-clients on first use and kept there; exit code 2
# where one is missing.
set -eu

if [ $# -ne 5 ]; then
    echo "usage: scripts/foreign-agent.sh HOST:PORT VOP POP ROUTER PORT" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/client-tools.sh
. "$root/scripts/client-tools.sh"
provide_clients "$root"
exec "$CLIENTS_PYTHON" "$root/scripts/foreign_agent.py" "$@"
