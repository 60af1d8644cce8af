#!/bin/sh
# Sends numbered records to partition 0 of a topic with librdkafka's idempotent producer, a request for every few of them, while
# the broker may break connections off. What is in the topic afterwards is for the caller to look at.
#
#   scripts/foreign-idempotence.sh HOST:PORT TOPIC COUNT
#
# Exit code 0 where every record was confirmed, 1 where one was not, 2 if a client is missing.
# The Python clients are installed into build/foreign-clients on first use and kept there.
set -eu

if [ $# -ne 3 ]; then
    echo "usage: scripts/foreign-idempotence.sh HOST:PORT TOPIC COUNT" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=scripts/client-tools.sh
. "$root/scripts/client-tools.sh"
provide_clients "$root"
exec "$CLIENTS_PYTHON" "$root/scripts/foreign_idempotence.py" "$@"
