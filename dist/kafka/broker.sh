#!/usr/bin/env bash
# One of three secured brokers: TLS with the certificate of prepare.sh, passwords (SCRAM), access control lists, deny by default.
# What the brokers' containers run (dist/compose.kafka.yaml).
#
#   NODE        its number, 1 to 3
#   VOTERS      numbers, names and ports of all controllers: 1@kafka-1:9094,…
#   ADVERTISED  how others reach it: CLIENTS://kafka-1:9093,HOST://127.0.0.1:19091
#   LISTENERS   where it listens (default: 9093 for the network, 19093 for the host, 9094 for controllers)
set -euo pipefail

: "${NODE:?}" "${VOTERS:?}" "${ADVERTISED:?}"
: "${LISTENERS:=CLIENTS://:9093,HOST://:19093,CONTROLLER://:9094}"
: "${KAFKA_HOME:=/opt/kafka}" "${SECRETS:=/secrets}" "${DATA:=/var/lib/kafka/data}"
PASSWORD=$(<"$SECRETS/password")
CONFIG=$(mktemp)
SCRAM=org.apache.kafka.common.security.scram.ScramLoginModule
PLAIN=org.apache.kafka.common.security.plain.PlainLoginModule

# of_listener NAME: a listener whose clients prove a password by SCRAM.
of_listener() {
    cat <<PROPERTIES
listener.name.$1.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.$1.scram-sha-256.sasl.jaas.config=$SCRAM required;
listener.name.$1.scram-sha-512.sasl.jaas.config=$SCRAM required username="admin" password="$PASSWORD";
PROPERTIES
}

{
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$VOTERS
listeners=$LISTENERS
advertised.listeners=$ADVERTISED
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:SASL_SSL,HOST:SASL_SSL,CONTROLLER:SASL_SSL
log.dirs=$DATA
# The slice manager makes the topics; a mistyped name must not.
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
allow.everyone.if.no.acl.found=false
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=$PLAIN required username="admin" password="$PASSWORD" user_admin="$PASSWORD";
ssl.keystore.type=PEM
ssl.keystore.location=$SECRETS/node-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$SECRETS/ca.pem
PROPERTIES
    of_listener clients
    of_listener host
} >"$CONFIG"

# The keeper: without it, Kafka can forget all passwords at a restart (docs/operations.md). Nobody is to know its password.
KEEPER="name=ipowdm_keeper_wxapccv,password=$(head -c 32 /dev/urandom | od -A n -v -t x1 | tr -d ' \n')"
"$KAFKA_HOME/bin/kafka-storage.sh" format --ignore-formatted --cluster-id "$(<"$SECRETS/cluster-id")" --config "$CONFIG" \
    --add-scram "SCRAM-SHA-512=[name=admin,password=$PASSWORD]" \
    --add-scram "SCRAM-SHA-512=[$KEEPER]" --add-scram "SCRAM-SHA-256=[$KEEPER]"
exec "$KAFKA_HOME/bin/kafka-server-start.sh" "$CONFIG"
