#!/usr/bin/env bash
# Starts one node of Apache Kafka (broker and controller in one process) on the loopback interface, for tests.
#
#   bootstrap=$(scripts/kafka-up.sh | tail -n 1)
#   kcat -b "$bootstrap" -L
#   scripts/kafka-down.sh "$bootstrap"
#
# The server comes from its Maven artifacts (scripts/kafka/pom.xml), fetched once with this machine's own Maven
# set-up and kept under build/kafka. Several nodes may run side by side. Topics are never created on first use.
# Progress goes to standard error; the last line on standard output is the bootstrap address.
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"

# Seconds a start may take, from the launch of the server to an answered request; a busy machine takes its time.
READY_DEADLINE=${KAFKA_READY_DEADLINE:-90}
HEAP=-Xmx512m
# Short-lived JVMs (format, ready check): little to optimise, so compile little.
BRIEF_JVM=(-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)

usage() {
    say "usage: scripts/kafka-up.sh"
    say "starts one Apache Kafka node on 127.0.0.1 and prints its bootstrap address as the last line"
}

parse_arguments() {
    while (($# > 0)); do
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage
            die "unknown argument: $1"
            ;;
        esac
    done
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

# Prints a TCP port of 127.0.0.1 on which nobody listens. Ports are drawn below the usual range of outgoing
# connections, so only another listener could take it before the server does; the caller then draws again.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return
        fi
    done
    die "no free port found in 100 draws"
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

# write_config NODE CLIENT_PORT CONTROLLER_PORT VOTERS DATA
write_config() {
    mkdir -p "$5/node-$1/tmp"
    cat >"$5/node-$1/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$4
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$5/node-$1/logs
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

# start_node NODE CLIENT_PORT CONTROLLER_PORT VOTERS CLUSTER_ID: formats the storage and launches the server.
start_node() {
    local node=$1 home="$DATA/node-$1"
    write_config "$node" "$2" "$3" "$4" "$DATA"
    if ! java "${BRIEF_JVM[@]}" -cp "$LIBS/*" kafka.tools.StorageTool format \
        --config "$home/server.properties" --cluster-id "$5" </dev/null >"$STATE/node-$node.log" 2>&1; then
        tail -n 20 "$STATE/node-$node.log" >&2
        die "Apache Kafka could not format its storage (its last lines are above)"
    fi
    # A session of its own: a Ctrl-C meant for the caller does not reach the server.
    setsid java "$HEAP" -XX:+UseSerialGC "-Dipowdm.cluster=$STATE" "-Djava.io.tmpdir=$home/tmp" \
        "-Dlog4j2.configurationFile=$REPOSITORY/scripts/kafka/log4j2.properties" \
        -cp "$LIBS/*" kafka.Kafka "$home/server.properties" </dev/null >>"$STATE/node-$node.log" 2>&1 &
    printf '%s\n' "$!" >"$STATE/node-$node.pid"
}

# Waits until the node answers a request for its topics, not merely until its port is open.
# Status 1: the server ended or did not answer before the deadline.
await_ready() {
    local node=$1 port=$2 pid deadline
    pid=$(<"$STATE/node-$node.pid")
    deadline=$((SECONDS + READY_DEADLINE))
    # The node's own word first: whoever else may hold the port, the answer below is then this node's.
    until grep -q 'Kafka Server started' "$STATE/node-$node.log"; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
    printf 'default.api.timeout.ms=%s\n' "$(((deadline - SECONDS) * 1000 + 1000))" >"$DATA/ready.properties"
    java "${BRIEF_JVM[@]}" -cp "$LIBS/*" org.apache.kafka.tools.TopicCommand --list \
        --bootstrap-server "127.0.0.1:$port" --command-config "$DATA/ready.properties" \
        </dev/null >"$DATA/ready.log" 2>&1
}

# One attempt to start a cluster. Leaves BOOTSTRAP empty when a port was taken meanwhile, which is worth another attempt.
start_cluster() {
    local client_port controller_port
    BOOTSTRAP=
    client_port=$(free_port)
    controller_port=$(free_port)
    [[ "$client_port" != "$controller_port" ]] || return 0
    STATE="$RUN_ROOT/$client_port"
    mkdir -p "$RUN_ROOT"
    # The folder doubles as the claim on the port among scripts that start at the same time.
    mkdir "$STATE" 2>/dev/null || return 0
    trap 'stop_cluster "$STATE"' EXIT
    trap 'exit 130' INT TERM
    DATA=$(mktemp -d "${TMPDIR:-/tmp}/ipowdm-kafka.XXXXXX")
    printf '%s\n' "$DATA" >"$STATE/data"
    printf '127.0.0.1:%s\n' "$client_port" >"$STATE/bootstrap"
    start_node 1 "$client_port" "$controller_port" "1@127.0.0.1:$controller_port" "$(cluster_id)"
    if await_ready 1 "$client_port"; then
        BOOTSTRAP=$(<"$STATE/bootstrap")
    elif grep -q 'Address already in use' "$STATE/node-1.log"; then
        stop_cluster "$STATE"
    else
        tail -n 20 "$STATE/node-1.log" "$DATA"/ready.log >&2 2>/dev/null || true
        die "Apache Kafka was not ready within $READY_DEADLINE s (its last lines are above)"
    fi
    trap - EXIT INT TERM
}

main() {
    parse_arguments "$@"
    require_java
    provide_jars
    for _ in {1..5}; do
        start_cluster
        if [[ -n "$BOOTSTRAP" ]]; then
            say "Apache Kafka is ready; stop it with scripts/kafka-down.sh $BOOTSTRAP"
            printf '%s\n' "$BOOTSTRAP"
            return
        fi
        say "a port was taken meanwhile; trying others"
    done
    die "no start in 5 attempts: every pair of ports drawn was taken"
}

main "$@"
