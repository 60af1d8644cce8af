#!/usr/bin/env bash
# Checks the published crates as their users get them: each is packed, and built alone, with its default features, from nothing but
# its package and the packages of the others. A file that stayed behind in the repository shows, and so does a feature that only
# another crate of the workspace switches on. Publishing itself is not tried.
#
# `cargo package` can build what it packed, but keeps the unpacked crates by name and version in Cargo's home and then
# builds yesterday's content of an unchanged version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PRODUCTS=(ipowdm-core ipowdm-cmis ipowdm-agent ipowdm-ctl-lib)
UNPACKED=build/packages

rm -rf "$UNPACKED"
mkdir -p "$UNPACKED"
cargo package --locked --quiet --no-verify --allow-dirty "${PRODUCTS[@]/#/--package=}"

{
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\n\n[patch.crates-io]\n'
    for product in "${PRODUCTS[@]}"; do printf '%s = { path = "%s" }\n' "$product" "$product"; done
} >"$UNPACKED/Cargo.toml"
for product in "${PRODUCTS[@]}"; do
    version=$(cargo pkgid --package "$product" | sed 's/.*[#@]//')
    # --touch: the archive's times are all alike, and cargo would take changed content for what it has built before.
    tar --extract --gzip --touch --file "target/package/$product-$version.crate" --directory "$UNPACKED"
    mv "$UNPACKED/$product-$version" "$UNPACKED/$product"
done
# The same versions of everything else, and nothing fetched.
cp Cargo.lock "$UNPACKED/Cargo.lock"
for product in "${PRODUCTS[@]}"; do
    printf 'packed: %s\n' "$product"
    cargo check --quiet --offline --manifest-path "$UNPACKED/Cargo.toml" --package "$product" --target-dir target
done
