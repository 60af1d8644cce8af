#!/usr/bin/env bash
# Prints how many packages a default build of the agent and of the control library takes (normal and build dependencies for
# this machine, the crate itself included).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for package in ipowdm-agent ipowdm-ctl-lib; do
    # The same package appears as often as it is depended on; a repeated subtree is marked with (*).
    count=$(cargo tree --locked --package "$package" --edges normal,build --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
    printf '%-16s %4d packages\n' "$package" "$count"
done
