# shellcheck shell=sh
# Sourced by the scripts that put kcat, kafka-python and confluent-kafka to a broker, and Schemathesis and prometheus_client to
# the REST services.
#
#   provide_clients ROOT
#   provide_schemathesis ROOT
#
# ROOT is the workspace. The first sets CLIENTS_PYTHON to a Python that has both libraries, the second SCHEMATHESIS to the
# environment of the command: they are installed under ROOT/build on first use and kept there. Both end the script with code 2 where something
# cannot be had.

# Not 3.0: its rewritten network layer now and then never hears from a consumer again on a busy machine (3.0.12).
KAFKA_PYTHON=2.3.3
CONFLUENT_KAFKA=2.16.1
SCHEMATHESIS_VERSION=4.32.5
PROMETHEUS_CLIENT=0.26.0

missing() {
    echo "missing: $1" >&2
    exit 2
}

# provide_venv DIRECTORY REQUIREMENT...: a virtual environment with these packages at DIRECTORY.
provide_venv() {
    venv=$1
    shift
    command -v python3 >/dev/null || missing "python3 (Debian: apt-get install python3)"
    if [ -d "$venv" ]; then
        return
    fi
    # Complete as soon as it exists under its final name; whoever is second to finish drops what he has.
    mkdir -p "$(dirname "$venv")"
    venv_partial=$(mktemp -d "$(dirname "$venv")/partial.XXXXXX")
    if ! python3 -m venv "$venv_partial/venv"; then
        rm -rf "$venv_partial"
        missing "the Python venv module (Debian: apt-get install python3-venv)"
    fi
    if ! "$venv_partial/venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 "$@"; then
        rm -rf "$venv_partial"
        missing "$*: pip cannot install them here"
    fi
    mv -T "$venv_partial/venv" "$venv" 2>/dev/null || true
    rm -rf "$venv_partial"
}

provide_clients() {
    command -v kcat >/dev/null || missing "kcat (Debian: apt-get install kcat)"
    provide_venv "$1/build/foreign-clients/kafka-python-$KAFKA_PYTHON-confluent-kafka-$CONFLUENT_KAFKA" \
        "kafka-python==$KAFKA_PYTHON" "confluent-kafka==$CONFLUENT_KAFKA"
    CLIENTS_PYTHON=$venv/bin/python
    [ -x "$CLIENTS_PYTHON" ] || missing "$CLIENTS_PYTHON, which cannot be created"
}

provide_schemathesis() {
    provide_venv "$1/build/schemathesis/$SCHEMATHESIS_VERSION-prometheus-client-$PROMETHEUS_CLIENT" \
        "schemathesis==$SCHEMATHESIS_VERSION" "prometheus-client==$PROMETHEUS_CLIENT"
    # Its command is to be run by its Python: it names the directory in which the environment was made.
    SCHEMATHESIS=$venv
    [ -x "$SCHEMATHESIS/bin/schemathesis" ] || missing "$SCHEMATHESIS, which cannot be created"
}
