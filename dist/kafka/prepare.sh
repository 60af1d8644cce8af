#!/usr/bin/env bash
# Makes what the three secured brokers of dist/compose.kafka.yaml need, once: an authority, their certificate, the administrator's
# password and the cluster's id, into dist/kafka/secrets (or FOLDER), which stays on this machine.
#
#   dist/kafka/prepare.sh [FOLDER]
#
# The brokers' image runs as user 1000, who has to be able to read them: run it as that user or as root.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}
# shellcheck source=scripts/kafka/certificates.sh
source "$ROOT/scripts/kafka/certificates.sh"

IMAGE_USER=1000
FOLDER=${1:-$ROOT/dist/kafka/secrets}
[[ ! -e "$FOLDER" ]] || die "$FOLDER is there already: the brokers that use it would not know others; remove it with their volumes"
umask 077
mkdir -p "$FOLDER"
TLS=$(cd "$FOLDER" && pwd)
# Read by the functions of certificates.sh.
# shellcheck disable=SC2034
CERTIFICATE_DAYS=365 CERTIFICATE_NAMES=DNS:kafka-1,DNS:kafka-2,DNS:kafka-3
make_authority ca
make_certificate node ca
rm -f "$TLS"/*.csr "$TLS"/*.srl
PASSWORD=$(head -c 24 /dev/urandom | base64 | tr '+/' 'ab')
printf '%s\n' "$PASSWORD" >"$TLS/password"
# 16 bytes in URL-safe base 64, not beginning with a dash.
printf 'A%s\n' "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d '=' | cut -c 2-)" >"$TLS/cluster-id"
printf '127.0.0.1:19091,127.0.0.1:19092,127.0.0.1:19093\n' >"$TLS/address"

# client BOOTSTRAP FOLDER: what a client of the administrator is told, with the authority in FOLDER.
client() {
    cat <<PROPERTIES
bootstrap.servers=$1
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$PASSWORD";
ssl.truststore.type=PEM
ssl.truststore.location=$2/ca.pem
PROPERTIES
}
client "$(<"$TLS/address")" "$TLS" >"$TLS/client.properties"
client kafka-1:9093,kafka-2:9093,kafka-3:9093 /secrets >"$TLS/inside.properties"
if [[ $(id -u) == 0 ]]; then
    chown -R "$IMAGE_USER:$IMAGE_USER" "$TLS"
elif [[ $(id -u) != "$IMAGE_USER" ]]; then
    say "user $IMAGE_USER cannot read $TLS: give it the files"
fi
say "secrets are in $TLS; clients take $TLS/client.properties"
