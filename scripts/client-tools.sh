# shellcheck shell=sh
# Sourced by the scripts that put kcat, kafka-python and confluent-kafka to a broker.
#
#   provide_clients ROOT
#
# ROOT is the workspace. Sets CLIENTS_PYTHON to a Python that has both libraries: they are installed under
# ROOT/build/foreign-clients on first use and kept there. Ends the script with code 2 where a client cannot be had.

# Not 3.0: its rewritten network layer now and then never hears from a consumer again on a busy machine (3.0.12).
KAFKA_PYTHON=2.3.3
CONFLUENT_KAFKA=2.16.1

missing() {
    echo "missing: $1" >&2
    exit 2
}

provide_clients() {
    command -v kcat >/dev/null || missing "kcat (Debian: apt-get install kcat)"
    command -v python3 >/dev/null || missing "python3 (Debian: apt-get install python3)"
    clients_venv=$1/build/foreign-clients/kafka-python-$KAFKA_PYTHON-confluent-kafka-$CONFLUENT_KAFKA
    CLIENTS_PYTHON=$clients_venv/bin/python
    if [ -d "$clients_venv" ]; then
        return
    fi
    # Complete as soon as it exists under its final name; whoever is second to finish drops what he has.
    mkdir -p "$1/build/foreign-clients"
    clients_partial=$(mktemp -d "$1/build/foreign-clients/partial.XXXXXX")
    if ! python3 -m venv "$clients_partial/venv"; then
        rm -rf "$clients_partial"
        missing "the Python venv module (Debian: apt-get install python3-venv)"
    fi
    if ! "$clients_partial/venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
        "kafka-python==$KAFKA_PYTHON" "confluent-kafka==$CONFLUENT_KAFKA"; then
        rm -rf "$clients_partial"
        missing "kafka-python $KAFKA_PYTHON and confluent-kafka $CONFLUENT_KAFKA: pip cannot install them here"
    fi
    mv -T "$clients_partial/venv" "$clients_venv" 2>/dev/null || true
    rm -rf "$clients_partial"
    [ -x "$CLIENTS_PYTHON" ] || missing "$CLIENTS_PYTHON, which cannot be created"
}
