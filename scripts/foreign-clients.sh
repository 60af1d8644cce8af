#!/bin/sh
# Runs kcat, kafka-python and confluent-kafka against a broker: the development broker or Apache Kafka.
#
#   scripts/foreign-clients.sh HOST:PORT
#
# One line per check; exit code 0 if all passed, 1 if one failed, 2 if a client is missing.
# The Python clients are installed into build/foreign-clients on first use and kept there.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: scripts/foreign-clients.sh HOST:PORT" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/client-tools.sh
. "$root/scripts/client-tools.sh"
provide_clients "$root"
exec "$CLIENTS_PYTHON" "$root/scripts/foreign_clients.py" "$1"
