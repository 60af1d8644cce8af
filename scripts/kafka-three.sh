#!/usr/bin/env bash
# Plays the tests of the message bus and the lab against three nodes of Apache Kafka, plain and secured; then kills, freezes and
# restarts the nodes while commands are under way; and withdraws passwords and
# replaces the certificates of one node that is restarted.
#
#   scripts/kafka-three.sh [OPTION-OF-CARGO-TEST-AND-RUN…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RUNNING=
stop() { [[ -z "$RUNNING" ]] || scripts/kafka-down.sh "$RUNNING"; }
trap stop EXIT
trap 'exit 130' INT TERM

# Starts a cluster and sets RUNNING to its address, STATE to its state folder.
start() {
    RUNNING=$(scripts/kafka-up.sh "$@" | tail -n 1)
    local first=${RUNNING%%,*}
    STATE=$PWD/build/kafka/run/${first##*:}
}

end() {
    stop
    RUNNING=
}

SECURE_TESTS=(--test bus_conformance --test kafka_access --test hostile_tenant --test forged_commands --test produce_flood)
cargo test "$@" --package ipowdm-examples "${SECURE_TESTS[@]}" --test kafka_cluster --no-run

start --nodes 3 --secure
IPOWDM_KAFKA_SECURE="$STATE/client.properties" \
    cargo test "$@" --package ipowdm-examples "${SECURE_TESTS[@]}"
IPOWDM_KAFKA_CLUSTER=$STATE \
    cargo test "$@" --package ipowdm-examples --test kafka_cluster rolling -- --test-threads 1 --nocapture
cargo run "$@" --package ipowdm-examples --example lab -- \
    --exit --port-base 0 --bootstrap "$RUNNING" --command-config "$STATE/client.properties" --replication 3
end

start --nodes 3
IPOWDM_KAFKA_BOOTSTRAP=$RUNNING cargo test "$@" --package ipowdm-examples --test bus_conformance -- over_apache_kafka
IPOWDM_KAFKA_CLUSTER=$STATE \
    cargo test "$@" --package ipowdm-examples --test kafka_cluster -- --test-threads 1 --nocapture
end

start --secure
IPOWDM_KAFKA_ALONE=$STATE \
    cargo test "$@" --package ipowdm-examples --test kafka_cluster -- --test-threads 1 --nocapture
