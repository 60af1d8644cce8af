#!/bin/sh
# A controller that this project did not write, as existing ones behave, against the agent of pop1/router1, which serves vOp2 and
# takes commands without an epoch: set-up with `type` and no `action`, interface control with its action where others have the
# command's name, reconfiguration for everybody with a printed Python dictionary as its reason.
#
#   scripts/foreign-controller.sh HOST:PORT
#
# Ethernet48 must be free. A controller of ours must not command vOp2: it takes down what nobody has ordered from it. One line
# per check; exit code 0 if all passed, 1 if one failed, 2 if a client is missing. Safe to run repeatedly.
# The Python clients are installed into build/foreign-clients on first use and kept there.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: scripts/foreign-controller.sh HOST:PORT" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/client-tools.sh
. "$root/scripts/client-tools.sh"
provide_clients "$root"
exec "$CLIENTS_PYTHON" "$root/scripts/foreign_controller.py" "$1"
