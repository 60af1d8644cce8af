#!/bin/sh
# Runs kcat, kafka-python and confluent-kafka against a broker: the development broker or Apache Kafka.
#
#   scripts/foreign-clients.sh HOST:PORT
#
# One line per check; exit code 0 if all passed, 1 if one failed, 2 if a client is missing.
# The Python clients are installed into build/foreign-clients on first use and kept there.
set -eu

KAFKA_PYTHON=3.0.12
CONFLUENT_KAFKA=2.16.1

if [ $# -ne 1 ]; then
    echo "usage: scripts/foreign-clients.sh HOST:PORT" >&2
    exit 2
fi
bootstrap=$1
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/build/foreign-clients/kafka-python-$KAFKA_PYTHON-confluent-$CONFLUENT_KAFKA

missing() {
    echo "missing: $1" >&2
    exit 2
}

command -v kcat >/dev/null || missing "kcat (Debian: apt-get install kcat)"
command -v python3 >/dev/null || missing "python3 (Debian: apt-get install python3)"
if ! [ -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" || missing "the Python venv module (Debian: apt-get install python3-venv)"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
        "kafka-python==$KAFKA_PYTHON" "confluent-kafka==$CONFLUENT_KAFKA" ||
        {
            rm -rf "$root/build/foreign-clients"
            missing "kafka-python $KAFKA_PYTHON and confluent-kafka $CONFLUENT_KAFKA: pip cannot install them here"
        }
    : >"$venv/complete"
fi
exec "$venv/bin/python" "$root/scripts/foreign_clients.py" "$bootstrap"
