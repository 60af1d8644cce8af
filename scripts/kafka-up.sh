#!/usr/bin/env bash
# Starts one node of Apache Kafka (broker and controller in one process) on the loopback interface, for tests.
#
#   bootstrap=$(scripts/kafka-up.sh | tail -n 1)
#   kcat -b "$bootstrap" -L
#   scripts/kafka-down.sh "$bootstrap"
#
# With --secure, clients must prove a password (SASL_PLAINTEXT with SCRAM-SHA-256 or SCRAM-SHA-512), and may do only what an access
# control list allows (StandardAuthorizer, deny by default). build/kafka/run/<port>/client.properties has the administrator's.
#
# The server comes from its Maven artifacts (scripts/kafka/pom.xml), fetched once with this machine's own Maven
# set-up and kept under build/kafka. Several nodes may run side by side. Topics are never created on first use.
# Progress goes to standard error; the last line on standard output is the bootstrap address.
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"

CACHE="$REPOSITORY/build/kafka"
OPTIONS=(--secure)
# Seconds a start may take, from the launch of the server to an answered request; a busy machine takes its time.
READY_DEADLINE=${KAFKA_READY_DEADLINE:-90}
HEAP=-Xmx512m
# Short-lived JVMs (format, ready check): little to optimise, so compile little.
BRIEF_JVM=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

usage() {
    say "usage: scripts/kafka-up.sh [--secure] [PARENT-FOLDER]"
    say "starts one Apache Kafka node on 127.0.0.1 and prints its bootstrap address as the last line; its files go into a folder of"
    say "their own under PARENT-FOLDER (default: ${TMPDIR:-/tmp})"
    say "--secure: passwords (SCRAM) and access control lists"
}

require_java() {
    command -v java >/dev/null || die "java is missing: Apache Kafka needs a Java run time, version 17 or later"
    local version
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [[ -n "$version" ]] || die "cannot read the version that 'java -version' prints"
    ((version >= 17)) || die "Java $version is too old: Apache Kafka needs version 17 or later"
}

# Sets LIBS to the folder with the server's jars, fetching them once. A folder is complete as soon as it exists under its
# final name, which carries the pom's checksum: a changed pom is a new folder.
provide_jars() {
    local pom="$REPOSITORY/scripts/kafka/pom.xml" key partial
    key=$(cksum <"$pom" | cut -d ' ' -f 1)
    LIBS="$CACHE/libs-$key"
    [[ -d "$LIBS" ]] && return
    command -v mvn >/dev/null || die "mvn is missing: Apache Kafka is fetched with Maven on the first start"
    mkdir -p "$CACHE"
    partial=$(mktemp -d "$CACHE/libs-$key.partial.XXXXXX")
    say "fetching Apache Kafka with Maven"
    if ! mvn --batch-mode --quiet --file "$pom" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$partial" </dev/null >"$partial/maven.log" 2>&1; then
        tail -n 20 "$partial/maven.log" >&2
        rm -rf -- "$partial"
        die "Maven could not fetch Apache Kafka (its last lines are above)"
    fi
    rm -f "$partial/maven.log"
    # Somebody else may have finished first: theirs is as good.
    mv -T "$partial" "$LIBS" 2>/dev/null || rm -rf -- "$partial"
    [[ -d "$LIBS" ]] || die "cannot create $LIBS"
}

# A cluster id in Kafka's form: 16 random bytes in URL-safe base 64 without padding, not starting with a dash.
cluster_id() {
    local id
    while :; do
        id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
        [[ "$id" == -* ]] || break
    done
    printf '%s\n' "$id"
}

# 32 hexadecimal digits nobody can guess.
random_text() { head -c 16 /dev/urandom | od -A n -v -t x1 | tr -d ' \n'; }

# write_config CLIENT_PORT CONTROLLER_PORT
write_config() {
    local protocol=PLAINTEXT
    chosen --secure && protocol=SASL_PLAINTEXT
    mkdir -p "$DATA/node-1/tmp"
    cat >"$DATA/node-1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$2
listeners=CLIENTS://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
advertised.listeners=CLIENTS://127.0.0.1:$1
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:$protocol,CONTROLLER:$protocol
log.dirs=$DATA/node-1/logs
# Whoever needs a topic creates it: a name that nobody created is an error that tests must see.
auto.create.topics.enable=false
delete.topic.enable=true
# Single-node internals, small enough for many short starts.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
}

# write_access CLIENT_PORT: what --secure adds. The password of the administrator, who is the node itself too, is of this
# cluster's life only.
write_access() {
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    local plain=org.apache.kafka.common.security.plain.PlainLoginModule
    PASSWORD=$(random_text)
    cat >>"$DATA/node-1/server.properties" <<PROPERTIES
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
allow.everyone.if.no.acl.found=false
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.clients.scram-sha-256.sasl.jaas.config=$scram required;
listener.name.clients.scram-sha-512.sasl.jaas.config=$scram required username="admin" password="$PASSWORD";
sasl.mechanism.controller.protocol=PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
listener.name.controller.plain.sasl.jaas.config=$plain required username="admin" password="$PASSWORD" user_admin="$PASSWORD";
PROPERTIES
    (
        umask 077
        cat >"$STATE/client.properties" <<PROPERTIES
bootstrap.servers=127.0.0.1:$1
security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=$scram required username="admin" password="$PASSWORD";
PROPERTIES
    )
}

# start_node CLUSTER_ID: formats the storage and launches the server.
start_node() {
    local home="$DATA/node-1"
    local -a credentials=()
    chosen --secure && credentials=(--add-scram "SCRAM-SHA-512=[name=admin,password=$PASSWORD]")
    if ! java "${BRIEF_JVM[@]}" -cp "$LIBS/*" kafka.tools.StorageTool format --config "$home/server.properties" \
        --cluster-id "$1" "${credentials[@]}" </dev/null >"$STATE/node-1.log" 2>&1; then
        tail -n 20 "$STATE/node-1.log" >&2
        die "Apache Kafka could not format its storage (its last lines are above)"
    fi
    # A session of its own: a Ctrl-C meant for the caller does not reach the server.
    setsid java "$HEAP" -XX:+UseSerialGC "-Dipowdm.cluster=$STATE" "-Djava.io.tmpdir=$home/tmp" \
        "-Dlog4j2.configurationFile=$REPOSITORY/scripts/kafka/log4j2.properties" \
        -cp "$LIBS/*" kafka.Kafka "$home/server.properties" </dev/null >>"$STATE/node-1.log" 2>&1 &
    printf '%s\n' "$!" >"$STATE/node-1.pid"
}

# Waits until the node answers a request for its topics, not merely until its port is open.
# Status 1: the server ended or did not answer before the deadline.
await_ready() {
    local port=$1 pid deadline
    pid=$(<"$STATE/node-1.pid")
    deadline=$((SECONDS + READY_DEADLINE))
    # The node's own word first: whoever else may hold the port, the answer below is then this node's.
    until grep -q 'Kafka Server started' "$STATE/node-1.log"; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
    (
        umask 077
        printf 'default.api.timeout.ms=%s\n' "$(((deadline - SECONDS) * 1000 + 1000))" >"$DATA/ready.properties"
        chosen --secure && cat "$STATE/client.properties" >>"$DATA/ready.properties"
        true
    )
    java "${BRIEF_JVM[@]}" -cp "$LIBS/*" org.apache.kafka.tools.TopicCommand --list \
        --bootstrap-server "127.0.0.1:$port" --command-config "$DATA/ready.properties" \
        </dev/null >"$DATA/ready.log" 2>&1
}

# One attempt to start a node. Leaves ADDRESS empty when a port was taken meanwhile, which is worth another attempt.
start_server() {
    local client_port controller_port
    ADDRESS=
    client_port=$(free_port)
    controller_port=$(free_port)
    [[ "$client_port" != "$controller_port" ]] || return 0
    claim_port "$client_port" || return 0
    write_config "$client_port" "$controller_port"
    if chosen --secure; then
        write_access "$client_port"
    fi
    start_node "$(cluster_id)"
    if await_ready "$client_port"; then
        ADDRESS=$(<"$STATE/address")
    elif grep -q 'Address already in use' "$STATE/node-1.log"; then
        stop_server "$STATE"
    else
        tail -n 20 "$STATE/node-1.log" "$DATA"/ready.log >&2 2>/dev/null || true
        die "Apache Kafka was not ready within $READY_DEADLINE s (its last lines are above)"
    fi
    keep_server
}

read_up_arguments "$@"
require_java
provide_jars
start_on_free_port
