#!/usr/bin/env bash
# Runs the tests of operators' public test plans for ZR and ZR+ optics (fp_NN_…) and prints the pass list. Status 1 when one
# fails, or has no test although driver and emulator can show it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# id|what the plan asks for|what of it belongs elsewhere
PLANS='01|tune across the C band, 100 GHz grid|
02|tune across the C band, 75 GHz grid|
03|launch power range of ZR and ZR+|
04|power within 1 dB of the target|
05|laser offset: instant, average, minimum, maximum|the OpenConfig leaves: agent
06|frequency in integer MHz|units on the wire (THz, GHz and MHz are taken): agent
07|new frequency visible in 2 min, interface up in 10 min|samples 60 s later: agent
08|statistics of a window: min <= avg, instant <= max|windows of 10 s: agent
09|nothing but valid values during boot|the text of a sample: agent
10|interface disabled: frequency stays, no power|-40 dBm where a number is needed: agent
11|flap: back to frequency and power|admin state of the interface: agent
12|fibre cut and repair|the interface going down: router
13|eSNR, Q, pre-FEC BER in range|0.0 when inactive: OpenConfig view of the agent
14|chromatic dispersion in range|0 when down: OpenConfig view of the agent
15|FEC uncorrectable blocks|
16|signal power below total power|
17|laser bias; no value when powered off|
18|temperature and voltage, also disabled|
19|inventory over reset, removal and swap|on-change notifications, 20 s between toggles: agent
20|low power mode|
21|logical channels|all of it: OpenConfig view of the agent
22|all leaves|all of it: OpenConfig view of the agent'

mkdir -p build
LOG=build/fp-report.log
tests=()
for file in ipowdm-cmis/tests/fp_*.rs; do
    tests+=(--test "$(basename "$file" .rs)")
done
status=0
cargo test --quiet --package ipowdm-cmis --all-features --no-run "${tests[@]}"
cargo test --package ipowdm-cmis --all-features --no-fail-fast "${tests[@]}" >"$LOG" 2>&1 || status=1

printf '%-6s %-11s %-5s %-55s %s\n' PLAN VERDICT TESTS REQUIREMENT 'BELONGS ELSEWHERE'
while IFS='|' read -r id requirement elsewhere; do
    passed=$(grep -cE "^test (.*::)?fp_${id}_.* \.\.\. ok$" "$LOG" || true)
    failed=$(grep -cE "^test (.*::)?fp_${id}_.* \.\.\. FAILED$" "$LOG" || true)
    if ((failed > 0)); then
        verdict=FAIL
        status=1
    elif ((passed > 0)); then
        verdict=PASS
    elif [[ $elsewhere == 'all of it'* ]]; then
        verdict='elsewhere'
    else
        verdict='NO TEST'
        status=1
    fi
    printf 'FP-%-3s %-11s %-5s %-55s %s\n' "$id" "$verdict" "$((passed + failed))" "$requirement" "$elsewhere"
done <<<"$PLANS"
((status == 0)) || printf 'see %s\n' "$LOG" >&2
exit "$status"
