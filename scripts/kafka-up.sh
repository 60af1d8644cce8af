#!/usr/bin/env bash
# Starts Apache Kafka on the loopback interface, for tests: one node or three, each broker and controller in one process.
#
#   bootstrap=$(scripts/kafka-up.sh | tail -n 1)
#   kcat -b "$bootstrap" -L
#   scripts/kafka-down.sh "$bootstrap"
#
# With --secure, connections are encrypted with certificates of an authority made on the spot, clients must prove a password
# (SASL_SSL with SCRAM-SHA-256 or SCRAM-SHA-512), and may do only what an access control list allows (StandardAuthorizer, deny by
# default). build/kafka/run/<port>/client.properties has what the administrator needs; ca.pem, the authority, lies beside it.
#
# build/kafka/run/<port>/node-<n>.sh starts node n again after it was stopped or killed.
#
# The server comes from its Maven artifacts (scripts/kafka/pom.xml), fetched once with this machine's own Maven
# set-up and kept under build/kafka. Several clusters may run side by side. Topics are never created on first use.
# Progress goes to standard error; the last line on standard output is the bootstrap address, of three nodes with commas.
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"
# shellcheck source=scripts/kafka/certificates.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/certificates.sh"

CACHE="$REPOSITORY/build/kafka"
OPTIONS=(--secure)
# Seconds a start may take, from the launch of the server to an answered request; a busy machine takes its time.
READY_DEADLINE=${KAFKA_READY_DEADLINE:-90}
HEAP=-Xmx512m
NODES=1
# Short-lived JVMs (format, ready check): little to optimise, so compile little.
BRIEF_JVM=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

usage() {
    say "usage: scripts/kafka-up.sh [--nodes 1|3] [--secure] [PARENT-FOLDER]"
    say "starts Apache Kafka on 127.0.0.1 and prints its bootstrap address as the last line; its files go into a folder of"
    say "their own under PARENT-FOLDER (default: ${TMPDIR:-/tmp})"
    say "--secure: TLS, passwords (SCRAM) and access control lists"
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

# Takes --nodes N out of the arguments, and sets REST to the others.
read_nodes() {
    REST=()
    while (($# > 0)); do
        case $1 in
        --nodes)
            [[ "${2:-}" == 1 || "${2:-}" == 3 ]] || die "--nodes takes 1 or 3"
            NODES=$2
            shift
            ;;
        *) REST+=("$1") ;;
        esac
        shift
    done
}

# write_config NODE: the ports of all nodes are in CLIENT_PORTS and CONTROLLER_PORTS.
write_config() {
    local protocol=PLAINTEXT voters='' node home="$DATA/node-$1" isr=1
    chosen --secure && protocol=SASL_SSL
    ((NODES > 1)) && isr=2
    for ((node = 1; node <= NODES; node++)); do
        voters+="${voters:+,}$node@127.0.0.1:${CONTROLLER_PORTS[node]}"
    done
    mkdir -p "$home/tmp"
    cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$voters
listeners=CLIENTS://127.0.0.1:${CLIENT_PORTS[$1]},CONTROLLER://127.0.0.1:${CONTROLLER_PORTS[$1]}
advertised.listeners=CLIENTS://127.0.0.1:${CLIENT_PORTS[$1]}
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENTS:$protocol,CONTROLLER:$protocol
log.dirs=$home/logs
# Whoever needs a topic creates it: a name that nobody created is an error that tests must see.
auto.create.topics.enable=false
delete.topic.enable=true
# Small enough for many short starts.
offsets.topic.replication.factor=$NODES
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$NODES
transaction.state.log.min.isr=$isr
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$NODES
share.coordinator.state.topic.min.isr=$isr
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
}

# An authority, and a certificate of it for all nodes.
make_certificates() {
    TLS="$DATA/tls"
    mkdir -m 700 "$TLS"
    make_authority ca
    make_certificate node ca
    cp "$TLS/ca.pem" "$STATE/ca.pem"
}

# write_access NODE: what --secure adds. The password of the administrator, who is the nodes themselves too, is of this
# cluster's life only.
write_access() {
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    local plain=org.apache.kafka.common.security.plain.PlainLoginModule
    cat >>"$DATA/node-$1/server.properties" <<PROPERTIES
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
ssl.keystore.type=PEM
ssl.keystore.location=$TLS/node-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$TLS/ca.pem
PROPERTIES
}

# What a client of the administrator needs.
write_client() {
    (
        umask 077
        cat >"$STATE/client.properties" <<PROPERTIES
bootstrap.servers=$BOOTSTRAP
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$PASSWORD";
ssl.truststore.type=PEM
ssl.truststore.location=$STATE/ca.pem
PROPERTIES
    )
}

# format_node NODE CLUSTER_ID
format_node() {
    local -a credentials=()
    chosen --secure && credentials=(--add-scram "SCRAM-SHA-512=[name=admin,password=$PASSWORD]")
    if ! java "${BRIEF_JVM[@]}" -cp "$LIBS/*" kafka.tools.StorageTool format --config "$DATA/node-$1/server.properties" \
        --cluster-id "$2" "${credentials[@]}" </dev/null >"$STATE/node-$1.log" 2>&1; then
        tail -n 20 "$STATE/node-$1.log" >&2
        die "Apache Kafka could not format its storage (its last lines are above)"
    fi
}

# write_starter NODE: the script that launches the server, now and whenever it is wanted again.
write_starter() {
    local home="$DATA/node-$1"
    cat >"$STATE/node-$1.sh" <<STARTER
#!/usr/bin/env bash
# A session of its own: a Ctrl-C meant for the caller does not reach the server.
setsid java "$HEAP" -XX:+UseSerialGC "-Dipowdm.cluster=$STATE" "-Djava.io.tmpdir=$home/tmp" \\
    "-Dlog4j2.configurationFile=$REPOSITORY/scripts/kafka/log4j2.properties" \\
    -cp "$LIBS/*" kafka.Kafka "$home/server.properties" </dev/null >>"$STATE/node-$1.log" 2>&1 &
printf '%s\n' "\$!" >"$STATE/node-$1.pid"
STARTER
    chmod u+x "$STATE/node-$1.sh"
}

# Waits until all nodes have started and a request for the topics is answered, not merely until ports are open.
# Status 1: a server ended, or there was no answer before the deadline.
await_ready() {
    local node deadline
    deadline=$((SECONDS + READY_DEADLINE))
    for ((node = 1; node <= NODES; node++)); do
        # The node's own word first: whoever else may hold the port, the answer below is then this node's.
        until grep -q 'Kafka Server started' "$STATE/node-$node.log"; do
            kill -0 "$(<"$STATE/node-$node.pid")" 2>/dev/null || return 1
            ((SECONDS < deadline)) || return 1
            sleep 0.1
        done
    done
    (
        umask 077
        printf 'default.api.timeout.ms=%s\n' "$(((deadline - SECONDS) * 1000 + 1000))" >"$DATA/ready.properties"
        chosen --secure && cat "$STATE/client.properties" >>"$DATA/ready.properties"
        true
    )
    java "${BRIEF_JVM[@]}" -cp "$LIBS/*" org.apache.kafka.tools.TopicCommand --list \
        --bootstrap-server "$BOOTSTRAP" --command-config "$DATA/ready.properties" \
        </dev/null >"$DATA/ready.log" 2>&1
}

# Draws the ports of all nodes, claims the first one, and sets BOOTSTRAP. Status 1: draw again.
draw_ports() {
    local node port
    local -A drawn=()
    CLIENT_PORTS=() CONTROLLER_PORTS=() BOOTSTRAP=
    for ((node = 1; node <= NODES; node++)); do
        CLIENT_PORTS[node]=$(free_port)
        CONTROLLER_PORTS[node]=$(free_port)
        BOOTSTRAP+="${BOOTSTRAP:+,}127.0.0.1:${CLIENT_PORTS[node]}"
    done
    for port in "${CLIENT_PORTS[@]}" "${CONTROLLER_PORTS[@]}"; do
        [[ -z "${drawn[$port]:-}" ]] || return 1
        drawn[$port]=1
    done
    claim_port "${CLIENT_PORTS[1]}"
}

# One attempt to start the cluster. Leaves ADDRESS empty when a port was taken meanwhile, which is worth another attempt.
start_server() {
    local node cluster
    ADDRESS=
    draw_ports || return 0
    printf '%s\n' "$BOOTSTRAP" >"$STATE/address"
    PASSWORD=$(random_text)
    if chosen --secure; then
        make_certificates
        write_client
    fi
    cluster=$(cluster_id)
    for ((node = 1; node <= NODES; node++)); do
        write_config "$node"
        if chosen --secure; then
            write_access "$node"
        fi
        format_node "$node" "$cluster"
        write_starter "$node"
    done
    for ((node = 1; node <= NODES; node++)); do
        "$STATE/node-$node.sh"
    done
    if await_ready; then
        ADDRESS=$BOOTSTRAP
    elif grep -q 'Address already in use' "$STATE"/node-*.log; then
        stop_server "$STATE"
    else
        tail -n 20 "$STATE"/node-*.log "$DATA"/ready.log >&2 2>/dev/null || true
        die "Apache Kafka was not ready within $READY_DEADLINE s (its last lines are above)"
    fi
    keep_server
}

read_nodes "$@"
read_up_arguments "${REST[@]}"
require_java
provide_jars
start_on_free_port
