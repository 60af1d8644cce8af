#!/usr/bin/env bash
# Prints the project's figures on this machine: cold release build, dependency counts, the benchmarks.
#
#   scripts/figures.sh [--no-build]      --no-build: leave out the cold build, which empties nothing but takes minutes
#
# Nothing else should run beside it. The cold build goes to a target folder of its own, which is removed again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

machine=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
echo "machine $machine with $(nproc) cores, $(rustc --version)"
if [[ ${1:-} != --no-build ]]; then
    target=$(mktemp -d "${TMPDIR:-/tmp}/ipowdm-cold.XXXXXX")
    trap 'rm -rf "$target"' EXIT
    cargo fetch --locked --quiet
    started=$SECONDS
    CARGO_TARGET_DIR=$target cargo build --release --workspace --locked --offline --quiet
    echo "cold_release_build seconds=$((SECONDS - started))"
fi
scripts/deps-count.sh
cargo bench --locked --quiet -p benches --bench system | grep -E '^(machine|setup|third_bad_sample|scale) '
cargo bench --locked --quiet -p benches --bench cmis_sweep | grep -E '^(sweep|bus|cpu|dump|peer) '
