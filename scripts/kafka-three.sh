#!/usr/bin/env bash
# Plays the tests of the message bus against three nodes of Apache Kafka, plain and secured, and then kills and freezes the nodes
# while commands are under way.
#
#   scripts/kafka-three.sh [CARGO-TEST-OPTION…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PLAIN=
SECURED=
stop() {
    for address in $PLAIN $SECURED; do
        scripts/kafka-down.sh "$address"
    done
}
trap stop EXIT
trap 'exit 130' INT TERM

# The state folder of the cluster at address $1.
state() {
    local first=${1%%,*}
    printf '%s/build/kafka/run/%s\n' "$PWD" "${first##*:}"
}

cargo test "$@" --package ipowdm-examples --test bus_conformance --test kafka_access --test kafka_cluster --no-run
SECURED=$(scripts/kafka-up.sh --nodes 3 --secure | tail -n 1)
IPOWDM_KAFKA_SECURE="$(state "$SECURED")/client.properties" \
    cargo test "$@" --package ipowdm-examples --test bus_conformance --test kafka_access
scripts/kafka-down.sh "$SECURED"
SECURED=

PLAIN=$(scripts/kafka-up.sh --nodes 3 | tail -n 1)
IPOWDM_KAFKA_BOOTSTRAP=$PLAIN cargo test "$@" --package ipowdm-examples --test bus_conformance -- over_apache_kafka
IPOWDM_KAFKA_CLUSTER=$(state "$PLAIN") \
    cargo test "$@" --package ipowdm-examples --test kafka_cluster -- --test-threads 1 --nocapture
