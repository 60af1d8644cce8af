# shellcheck shell=bash
# What kafka-up.sh and kafka-down.sh share. Beside what scripts/server/common.sh names, the state folder of a cluster with access
# control holds client.properties: what an administrator's client needs, password included, readable by its owner only.

# Read by the scripts that source this file.
# shellcheck disable=SC2034
KIND=kafka SERVER="Apache Kafka" STOP_TIME=15

# shellcheck source=scripts/server/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../server/common.sh"

# The server carries its state folder's path as a Java property.
is_process_of() {
    [[ "$(ps -o args= -p "$1" 2>/dev/null)" == *"-Dipowdm.cluster=$2 "* ]]
}
