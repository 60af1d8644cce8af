#!/usr/bin/env bash
# The operator guide's own curl lines against a running lab (cargo run --release --example lab).
#
#   scripts/guide-smoke.sh [--host HOST] [--port-base P] [--bootstrap HOST:PORT]
#   scripts/guide-smoke.sh --linkdb URL --slice URL --controller URL [--bootstrap HOST:PORT]
#
# P is LinkDB's port; the slice manager answers on P+82 and vOp2's controller on P+83, as in the lab. Services that
# answer elsewhere are named by their URLs, http://HOST:PORT. With --bootstrap the guide's Kafka lines (read the topics,
# send a command by hand) are run with kcat too. Prints a line per check; exit code 0 means that all answered as the
# guide expects, 1 that one did not, 2 that a tool is missing. Safe to run repeatedly.
set -euo pipefail

host=127.0.0.1
base=8000
bootstrap=""
linkdb=""
slice=""
ctrl=""
while [ $# -gt 0 ]; do
  case $1 in
    --host) host=$2; shift 2 ;;
    --port-base) base=$2; shift 2 ;;
    --bootstrap) bootstrap=$2; shift 2 ;;
    --linkdb) linkdb=$2; shift 2 ;;
    --slice) slice=$2; shift 2 ;;
    --controller) ctrl=$2; shift 2 ;;
    -h|--help) sed -n '2,10p' "$0"; exit 0 ;;
    *) echo "guide-smoke: unknown argument $1" >&2; exit 2 ;;
  esac
done
tools=(curl jq)
[ -z "$bootstrap" ] || tools+=(kcat)
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || { echo "guide-smoke: $tool is missing (apt-get install $tool)" >&2; exit 2; }
done

: "${linkdb:=http://$host:$base}"
: "${slice:=http://$host:$((base + 82))}"
: "${ctrl:=http://$host:$((base + 83))}"
passed=0
failed=0
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# holds EXPRESSION FILE: whether it is true of the document. Nothing at all is no document, which jq alone does not mind.
holds() { jq -en "input | ($1)" "$2" >/dev/null 2>&1; }

# check NAME WANTED-CODES JQ-EXPRESSION CURL-ARGUMENTS...
check() {
  local name=$1 codes=$2 expression=$3 code
  shift 3
  code=$(curl -s -o "$body" -w '%{http_code}' --max-time 30 "$@") || code=000
  if [[ " $codes " == *" $code "* ]] && holds "$expression" "$body"; then
    echo "ok    $name ($code)"
    passed=$((passed + 1))
  else
    echo "FAIL  $name: HTTP $code, wanted $codes and $expression; got $(head -c 300 "$body")"
    failed=$((failed + 1))
  fi
}

# wait_for NAME JQ-EXPRESSION URL: the same GET until the expression holds, 60 s at the most.
wait_for() {
  local name=$1 expression=$2 url=$3 i
  for i in $(seq 1 300); do
    if curl -s -o "$body" --max-time 10 "$url" && holds "$expression" "$body"; then
      echo "ok    $name (after $((i / 5)) s)"
      passed=$((passed + 1))
      return
    fi
    sleep 0.2
  done
  echo "FAIL  $name: never $expression; last $(head -c 300 "$body")"
  failed=$((failed + 1))
}

json='Content-Type: application/json'

# --- guide 7.1, 7.2: LinkDB and slice manager ---------------------------------------------------------------------
check "LinkDB health" 200 '.status == "healthy"' "$linkdb/health"
check "slice manager health" 200 '.status == "healthy" and .kafka_connected == true' "$slice/health"

# --- guide 8: health and status -----------------------------------------------------------------------------------
check "controller health" 200 '.status == "healthy" and .virtual_operator == "vOp2"' "$ctrl/api/v1/health"
check "controller status" 200 '.controller and .connections and .kafka and .agents and .qot_monitoring and .topology' \
  "$ctrl/api/v1/status"

# --- guide 8: topology --------------------------------------------------------------------------------------------
check "topology" 200 '(.pops | length) >= 3 and (.links | length) >= 3 and .total_slots == .used_slots + .available_slots' \
  "$ctrl/api/v1/topology"
check "topology/pops" 200 'length >= 1' "$ctrl/api/v1/topology/pops"
check "topology/links" 200 'length >= 1' "$ctrl/api/v1/topology/links"
check "path pop1 to pop2" 200 '.total_hops >= 1 and (.path_segments | length) == .total_hops' \
  "$ctrl/api/v1/topology/path/pop1/pop2"

# --- guide 8: connection life cycle -------------------------------------------------------------------------------
check "create POP1-POP2-1" 201 '.connection_id == "POP1-POP2-1" and .status == "PENDING"' \
  -X POST "$ctrl/api/v1/connections" -H "$json" \
  -d '{"connection_id":"POP1-POP2-1","source_pop":"pop1","destination_pop":"pop2","virtual_operator":"vOp2"}'
check "list connections" 200 '[.[] | select(.connection_id == "POP1-POP2-1")] | length == 1' "$ctrl/api/v1/connections"
check "get POP1-POP2-1" 200 '.connection_id == "POP1-POP2-1"' "$ctrl/api/v1/connections/POP1-POP2-1"
check "setup POP1-POP2-1" "200 202" '.connection_id == "POP1-POP2-1"' \
  -X POST "$ctrl/api/v1/connections/POP1-POP2-1/setup" -H "$json" -d '{}'
wait_for "POP1-POP2-1 is ACTIVE, read back from both modules" '.status == "ACTIVE" and .verified_at != null' \
  "$ctrl/api/v1/connections/POP1-POP2-1"
before=$(jq -r '.source.tx_power_dbm' "$body")
wait_for "telemetry of POP1-POP2-1 arrives" '.level != null and (.samples // 0) >= 1' \
  "$ctrl/api/v1/connections/POP1-POP2-1/qot"
check "reconfigure POP1-POP2-1" "200 202" '.connection_id == "POP1-POP2-1"' \
  -X POST "$ctrl/api/v1/connections/POP1-POP2-1/reconfigure" -H "$json" \
  -d '{"reason":"manual","tx_power_step_db":0.5}'
wait_for "POP1-POP2-1 transmits 0.5 dB more than $before dBm, read back" \
  ".status == \"ACTIVE\" and (.source.tx_power_dbm - ($before) | . > 0.49 and . < 0.51)" \
  "$ctrl/api/v1/connections/POP1-POP2-1"
check "delete POP1-POP2-1" "200 202" '.connection_id == "POP1-POP2-1"' \
  -X DELETE "$ctrl/api/v1/connections/POP1-POP2-1"
wait_for "POP1-POP2-1 is gone" '.status == "TERMINATED" or .error != null' "$ctrl/api/v1/connections/POP1-POP2-1"

# --- guide 8: agents and interfaces -------------------------------------------------------------------------------
check "agents" 200 '.total_agents >= 1 and .online_agents >= 1' "$ctrl/api/v1/agents"
check "discover" "200 202" '.status == "success"' -X POST "$ctrl/api/v1/agents/discover"
check "agent pop1/router1" 200 '.agent_id == "pop1-router1"' "$ctrl/api/v1/agents/pop1/router1"
check "interfaces of pop1/router1" 200 '[.interfaces[] | select(.port_id == "Ethernet48")] | length == 1' \
  "$ctrl/api/v1/interfaces/pop1/router1"
check "interface control up" "200 202" '.interface == "Ethernet48" and .action == "up"' \
  -X POST "$ctrl/api/v1/interfaces/pop1/router1/Ethernet48/control" -H "$json" -d '{"admin_state":"up"}'

# --- guide 9: the topics, and a command sent by hand --------------------------------------------------------------
# read_topic TOPIC KCAT-ARGUMENTS...: its records from the beginning to the end. A fetch that waited for more would not see
# the end of a topic into which telemetry flows.
read_topic() {
  local topic=$1
  shift
  timeout 30 kcat -b "$bootstrap" -C -t "$topic" -o beginning -e -q -X fetch.wait.max.ms=10 "$@" 2>/dev/null || true
}

# by_hand NAME COMMAND-ID JQ-EXPRESSION LINE: types a command and checks the details of its ack, within 60 s.
by_hand() {
  local name=$1 id=$2 expression=$3 line=$4 ack="" deadline=$((SECONDS + 60))
  printf '%s\n' "$line" | kcat -b "$bootstrap" -P -t config_vOp2 2>/dev/null || true
  while [ "$SECONDS" -lt "$deadline" ]; do
    ack=$(read_topic monitoring_vOp2 | grep -F -m 1 "\"$id\"" || true)
    [ -n "$ack" ] && break
    sleep 0.5
  done
  if holds ".status == \"success\" and (.details.readback | $expression)" <(printf '%s' "$ack"); then
    echo "ok    $name"
    passed=$((passed + 1))
  else
    echo "FAIL  $name: wanted success and $expression; ack ${ack:-never came}"
    failed=$((failed + 1))
  fi
}

if [ -n "$bootstrap" ]; then
  for topic in config_vOp2 monitoring_vOp2 health_vOp2; do
    first=$(read_topic "$topic" -c 1)
    if holds . <(printf '%s' "$first"); then
      echo "ok    kcat reads $topic"
      passed=$((passed + 1))
    else
      echo "FAIL  kcat reads nothing from $topic"
      failed=$((failed + 1))
    fi
  done
  id="setup-by-hand-$$-$(date +%s)"
  by_hand "the hand-typed setupConnection is obeyed and read back" "$id" \
    '.frequency_mhz == 193100000 and .tx_power_dbm == -2' \
    "{\"action\":\"setupConnection\",\"command_id\":\"$id\",\"parameters\":{\"connection_id\":\"POP1-POP2-1\",\"endpoint_config\":[{\"pop_id\":\"pop1\",\"node_id\":\"router1\",\"port_id\":\"Ethernet48\",\"frequency\":193.1,\"tx_power_level\":-2.0}]}} "
  # Leaves the port dark for the next run.
  by_hand "the hand-typed teardownConnection is obeyed and read back" "teardown-$id" '.tx_enabled == false' \
    "{\"action\":\"teardownConnection\",\"command_id\":\"teardown-$id\",\"parameters\":{\"connection_id\":\"POP1-POP2-1\"}}"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
