#!/usr/bin/env bash
# Drives a build of the agent through the lab's Case 2 as a real process: development broker, control plane, an agent at each end, and
# modules in processes of their own. A connection is set up, read back, kept over the death of an agent, and taken down.
#
#   scripts/static-case2.sh "$(scripts/build-static.sh x86_64 | tail -n 1)"
#   scripts/static-case2.sh "$(scripts/build-static.sh aarch64 | tail -n 1)" qemu-aarch64-static
#
# Before that it shows that the file is static, and, where this user may make a mount namespace, that it finds a broker by a name of
# /etc/hosts and by one that a resolver answers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ $# == 1 || $# == 2 ]] || {
    printf 'usage: scripts/static-case2.sh BINARY [QEMU]\n' >&2
    exit 2
}
BINARY=$(realpath "$1")
RUNNER=
if [[ $# == 2 ]]; then
    RUNNER=$(command -v "$2") || {
        printf 'error: %s is missing (Debian package qemu-user-static)\n' "$2" >&2
        exit 1
    }
fi
run=(${RUNNER:+"$RUNNER"} "$BINARY")

printf '== static\n'
file "$BINARY"
readelf --program-headers --wide "$BINARY" | grep -E 'INTERP|DYNAMIC' && exit 1
ldd "$BINARY" 2>&1 || true
"${run[@]}" --version

printf '== names\n'
if unshare --mount --net true 2>/dev/null; then
    unshare --mount --net python3 scripts/static_names.py "${run[@]}"
else
    printf 'skipped: no mount namespaces for this user\n'
fi

printf '== case 2\n'
IPOWDM_AGENT=$BINARY IPOWDM_AGENT_RUNNER=$RUNNER \
    cargo test --locked --quiet -p ipowdm-examples --test killed agents_that_are_processes -- --nocapture
