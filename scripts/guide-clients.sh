#!/bin/sh
# The operator guide's Kafka lines with kcat, kafka-python and confluent-kafka against a running lab
# (cargo run --release --example lab): each reads vOp2's topics from the beginning, types the guide's setupConnection by
# hand, sees the module read back and its telemetry, tears down again, and writes on the monitoring and health topics, too.
#
#   scripts/guide-clients.sh HOST:PORT      the lab's broker, as the lab prints it
#
# POP1-POP2-1 must not be set up, and pop1/router1/Ethernet48 must be free, as both are after guide-smoke.sh. One line
# per check; exit code 0 if all passed, 1 if one failed, 2 if a client is missing. Safe to run repeatedly.
# The Python clients are installed into build/foreign-clients on first use and kept there.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: scripts/guide-clients.sh HOST:PORT" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/client-tools.sh
. "$root/scripts/client-tools.sh"
provide_clients "$root"
exec "$CLIENTS_PYTHON" "$root/scripts/guide_clients.py" "$1"
