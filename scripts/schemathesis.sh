#!/usr/bin/env bash
# Schemathesis against the OpenAPI documents that the three services serve: requests made up from each document, good and bad
# ones; no answer may be a server's error, of a status or content type that is not documented, or of another shape. Examples
# and links of the documents are tried first (openapi_walk.py), and every operation must succeed at least once, but for those
# that schemathesis_coverage.py names. Afterwards prometheus_client reads the figures of each service.
#
#   scripts/schemathesis.sh [EXAMPLES]      requests made up per operation and kind; 10 unless told otherwise
#
# Starts a lab of its own on free ports of the loopback address, with its own broker and emulated modules, and stops it. The
# same seed gives the same requests. Exit code 0 if nothing was found, 1 if something was, 2 if Schemathesis cannot be had.
# Logs and what was found: build/schemathesis/run. Schemathesis is installed into build/schemathesis on first use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

examples=${1:-10}
seed=20251121
# What is open until its client goes is no request that ends.
streams='/(watch|events)$'
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,unsupported_method,negative_data_rejection,positive_data_acceptance
checks+=,ensure_resource_availability
scripts=$PWD/scripts
# A lab that is asked for nonsense for a while must not wait long for modules.
lab_options=(--port-base 0 --scale 10000 --pops 3 --routers 1 --ports 4)

# shellcheck source=scripts/client-tools.sh
. scripts/client-tools.sh
provide_schemathesis "$PWD"

run=$PWD/build/schemathesis/run
rm -rf "$run"
mkdir -p "$run"
cargo build --locked --quiet --package ipowdm-examples --example lab
"${CARGO_TARGET_DIR:-target}/debug/examples/lab" "${lab_options[@]}" >"$run/lab" 2>"$run/lab.err" &
lab=$!
trap 'kill -INT "$lab" 2>/dev/null || :; wait "$lab" || :' EXIT

for _ in $(seq 600); do
    grep -q 'guide-smoke' "$run/lab" && break
    kill -0 "$lab" 2>/dev/null || { cat "$run/lab" "$run/lab.err"; exit 1; }
    sleep 0.5
done
address() { sed -nE "s|.*$1 (at )?http://([0-9.:]+).*|\\2|p" "$run/lab" | head -n 1; }
linkdb=$(address LinkDB)
slices=$(address 'slice manager')
controller=$(address 'controller of [A-Za-z0-9-]+')

failed=0
# check NAME ADDRESS
check() {
    local begun=$SECONDS status=0
    curl --silent --show-error --fail --output "$run/$1.json" "http://$2/openapi.json"
    python3 "$scripts/openapi_walk.py" "$run/$1.json" "http://$2" "$run/$1.calls" >"$run/$1.walk" 2>&1 || status=1
    cat "$run/$1.walk"
    # It keeps what it found below the folder in which it runs.
    (cd "$run" && PYTHONPATH=$scripts SCHEMATHESIS_HOOKS=schemathesis_hooks SCHEMATHESIS_CALLS=$run/$1.calls \
        PYTHONDONTWRITEBYTECODE=1 \
        "$SCHEMATHESIS/bin/python" "$SCHEMATHESIS/bin/schemathesis" \
        --config-file "$scripts/schemathesis.toml" run "http://$2/openapi.json" --seed "$seed" --max-examples "$examples" \
        --workers 1 --checks "$checks" --exclude-path-regex "$streams" --request-timeout 60 --suppress-health-check all \
        --continue-on-failure --generation-database none --no-color) >"$run/$1" 2>&1 || status=1
    kill -0 "$lab" 2>/dev/null || { echo "the lab ended"; status=1; }
    {
        python3 "$scripts/schemathesis_coverage.py" "$run/$1.json" "$run/$1.calls" || status=1
        "$SCHEMATHESIS/bin/python" "$scripts/metrics_check.py" "$1" "http://$2/metrics" || status=1
    } >"$run/$1.coverage" 2>&1
    cat "$run/$1.coverage"
    if ((status == 0)); then
        printf 'ok    %s: %s, %d s\n' "$1" "$(grep -oE '[0-9]+ generated.*' "$run/$1" | tail -n 1)" "$((SECONDS - begun))"
    else
        cat "$run/$1"
        printf 'FAIL  %s, %d s\n' "$1" "$((SECONDS - begun))"
        failed=1
    fi
}

# The controller first: what the others are asked for may take its virtual operator away.
check controller "$controller"
check linkdb "$linkdb"
check slice-manager "$slices"
exit "$failed"
