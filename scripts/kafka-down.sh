#!/usr/bin/env bash
# Stops an Apache Kafka that scripts/kafka-up.sh of this checkout started, and deletes its data.
#
#   scripts/kafka-down.sh                   the only one that runs; refused when there are several
#   scripts/kafka-down.sh 127.0.0.1:21234   the one with this bootstrap address
#   scripts/kafka-down.sh build/kafka/run/21234
set -euo pipefail

# shellcheck source=scripts/kafka/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/kafka/common.sh"

stop_as_asked "$@"
