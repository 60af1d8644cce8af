#!/usr/bin/env bash
# Checks that the crates (and feature sets) that promise to run without the standard library do: they are compiled for a bare-metal
# target, which has no std. A build for the host would not show it, because there std is always at hand.
#
# Uses rustup's target where it is installed, otherwise Debian's Rust with its library sources (installed when this
# runs as root), because those build core and alloc for any target without another download.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=thumbv7em-none-eabihf
DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src)

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

provide_debian_rust() {
    dpkg -s "${DEBIAN_PACKAGES[@]}" >/dev/null 2>&1 && return
    command -v apt-get >/dev/null ||
        die "no bare-metal target at hand: 'rustup target add $TARGET', or on Debian: ${DEBIAN_PACKAGES[*]}"
    [[ $(id -u) == 0 ]] || die "missing Debian packages, install them as root: ${DEBIAN_PACKAGES[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${DEBIAN_PACKAGES[@]}" >/dev/null
}

# check LIBRARIES CARGO-ARGUMENT…: LIBRARIES is what the crate may use, "core" or "core,alloc".
check() {
    local libraries=$1
    shift
    printf 'no_std (%s): %s\n' "$libraries" "$*"
    if [[ -n "$USE_RUSTUP" ]]; then
        cargo check --quiet --locked --target "$TARGET" "$@"
    else
        # RUSTC_BOOTSTRAP opens -Z to the stable compiler. The own target folder keeps two compilers from undoing each other's work.
        env -u RUSTUP_TOOLCHAIN -u RUSTC -u CARGO PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 \
            cargo check --quiet --locked -Z "build-std=$libraries" --target "$TARGET" --target-dir target/no-std "$@"
    fi
}

USE_RUSTUP=
if command -v rustup >/dev/null && rustup target list --installed 2>/dev/null | grep -qx "$TARGET"; then
    USE_RUSTUP=yes
else
    provide_debian_rust
    printf 'with %s\n' "$(env PATH=/usr/bin:/bin rustc --version)"
fi

check core --package ipowdm-core --no-default-features
check core,alloc --package ipowdm-core --no-default-features --features json
check core --package ipowdm-cmis --no-default-features
