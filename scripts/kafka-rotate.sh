#!/usr/bin/env bash
# Gives a running Apache Kafka of one node, started with scripts/kafka-up.sh --secure, another authority and another certificate,
# without a restart, in the order in which an operator does it:
#
#   1. ca.pem in the state folder, which clients trust, holds both authorities.
#   2. The broker trusts both and shows the new certificate.
#   3. ca.pem holds the new authority alone.
#
#   scripts/kafka-rotate.sh build/kafka/run/21234
#
# Brokers that replicate to each other keep what they trusted when they connected: of several nodes each is restarted instead, after
# its files were replaced. Can be repeated.
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"
# shellcheck source=scripts/kafka/certificates.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/certificates.sh"

[[ $# == 1 && -d "$1" ]] || die "usage: scripts/kafka-rotate.sh build/kafka/run/PORT"
STATE=$(cd "$1" && pwd)
[[ -f "$STATE/client.properties" ]] || die "$STATE is of no secured cluster"
[[ ! -e "$STATE/node-2.sh" ]] || die "$STATE is of several nodes: replace their files and restart one after the other"

# The server's jars, as its launcher names them.
LIBS=$(sed -n 's/.* -cp "\([^"]*\)\/\*" kafka.Kafka .*/\1/p' "$STATE/node-1.sh")
TLS=$(<"$STATE/data")/tls
NAME="next-$(date +%s%N)"

# Clients never see half of a file.
trust() {
    cat "$@" >"$STATE/ca.pem.new"
    mv "$STATE/ca.pem.new" "$STATE/ca.pem"
}

# configure NAME=VALUE[,NAME=VALUE…]
configure() {
    java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$LIBS/*" kafka.admin.ConfigCommand \
        --bootstrap-server "$(<"$STATE/address")" --command-config "$STATE/client.properties" \
        --entity-type brokers --entity-name 1 --alter --add-config "$1" </dev/null >&2
}

make_authority "$NAME-ca"
make_certificate "$NAME" "$NAME-ca"
cp "$STATE/ca.pem" "$TLS/before.pem"
trust "$TLS/before.pem" "$TLS/$NAME-ca.pem"
cp "$STATE/ca.pem" "$TLS/$NAME-trusted.pem"
LISTENER=listener.name.clients
configure "$LISTENER.ssl.truststore.location=$TLS/$NAME-trusted.pem,$LISTENER.ssl.truststore.type=PEM"
configure "$LISTENER.ssl.keystore.location=$TLS/$NAME-keystore.pem,$LISTENER.ssl.keystore.type=PEM"
trust "$TLS/$NAME-ca.pem"
# Whoever starts the node again finds the same in the files that its settings name.
cp "$TLS/$NAME-keystore.pem" "$TLS/node-keystore.pem"
cp "$TLS/$NAME-ca.pem" "$TLS/ca.pem"
say "the broker shows a certificate of $NAME-ca, and $STATE/ca.pem trusts it alone"
