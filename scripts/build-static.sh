#!/usr/bin/env bash
# Builds the agent for a switch: one static file, musl inside, nothing of the host's needed.
#
#   agent=$(scripts/build-static.sh x86_64 | tail -n 1)
#   scp "$agent" admin@switch:/usr/local/bin/ipowdm-agent
#
# The last line on standard output is the file's path; progress goes to standard error. Needs Debian 12 or later (or a descendant):
# its Rust with library sources, its cross compilers and its musl. As root what is missing is installed, otherwise it is named.
# Whoever has the target in rustup needs none of this for x86_64: cargo build --profile dist -p ipowdm-agent --target x86_64-unknown-linux-musl
#
# STATIC_FEATURES: features of ipowdm-agent beside the default ones (default: tls). STATIC_PROFILE: the cargo profile (default: dist).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

FEATURES=${STATIC_FEATURES-tls}
PROFILE=${STATIC_PROFILE:-dist}
OUTPUT=$PWD/target/static
# Debian keeps its newest Rust, built for browsers, beside the release's own.
PACKAGES=(rustc-web cargo-web rust-web-src binutils)

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

usage() { say "usage: scripts/build-static.sh <x86_64|aarch64|armv7>"; }

[[ $# == 1 ]] || {
    usage
    exit 2
}
# TARGET: Rust's name. COMPILER: drives the linker, too. TRIPLET: where Debian puts musl. DEBIAN: its name of the architecture,
# where it is not this machine's.
case $1 in
    x86_64)
        TARGET=x86_64-unknown-linux-musl COMPILER=x86_64-linux-gnu-gcc TRIPLET=x86_64-linux-musl DEBIAN=amd64 MACHINE=X86-64
        PACKAGES+=(gcc)
        ;;
    aarch64)
        TARGET=aarch64-unknown-linux-musl COMPILER=aarch64-linux-gnu-gcc TRIPLET=aarch64-linux-musl DEBIAN=arm64 MACHINE=AArch64
        PACKAGES+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
        ;;
    armv7)
        TARGET=armv7-unknown-linux-musleabihf COMPILER=arm-linux-gnueabihf-gcc TRIPLET=arm-linux-musleabihf DEBIAN=armhf MACHINE=ARM
        PACKAGES+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross)
        ;;
    *)
        usage
        exit 2
        ;;
esac
[[ $(uname -m) == x86_64 ]] || die "this script cross-compiles from x86_64, not from $(uname -m)"

provide_packages() {
    dpkg -s "${PACKAGES[@]}" >/dev/null 2>&1 && return
    command -v apt-get >/dev/null || die "needs Debian or a descendant, with these packages: ${PACKAGES[*]}"
    [[ $(id -u) == 0 ]] || die "missing Debian packages; as root: apt-get install --no-install-recommends ${PACKAGES[*]}"
    say "installing ${PACKAGES[*]}"
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" >&2
}

# Sets MUSL to the folder of musl's objects, HEADERS to its headers. The package is unpacked, not installed: the machine needs no
# foreign architecture for it, and apt keeps the lists for this in a folder of ours.
provide_musl() {
    local root=$OUTPUT/musl-$DEBIAN partial
    MUSL=$root/usr/lib/$TRIPLET
    HEADERS=$root/usr/include/$TRIPLET
    [[ -d $root ]] && return
    say "fetching musl-dev for $DEBIAN"
    partial=$(mktemp -d "$OUTPUT/musl-$DEBIAN.XXXXXX")
    mkdir -p "$partial/state/lists/partial" "$partial/cache/archives/partial" "$partial/root"
    : >"$partial/state/status"
    local -a apt=(apt-get -qq -o "APT::Architectures=$DEBIAN" -o "APT::Architecture=$DEBIAN" -o "Dir::State=$partial/state"
        -o "Dir::State::status=$partial/state/status" -o "Dir::Cache=$partial/cache" -o "APT::Sandbox::User=$(id -un)")
    # Lists that are of no use here may fail to load; without the package the next line fails.
    "${apt[@]}" update >&2 || true
    (cd "$partial" && "${apt[@]}" download musl-dev >&2)
    dpkg -x "$partial"/musl-dev_*_"$DEBIAN".deb "$partial/root"
    mv "$partial/root" "$root"
    rm -rf -- "$partial"
}

# Sets SHIM to a folder with libunwind.a, which std asks for on musl: the compiler's own unwinder, with the one function of glibc's
# that it calls. Answering -1 says that there is no such table, and the unwinder goes through the program headers instead.
provide_unwinder() {
    SHIM=$OUTPUT/unwinder-$DEBIAN
    mkdir -p "$SHIM"
    printf 'int _dl_find_object(void *pc, void *result) { (void)pc; (void)result; return -1; }\n' >"$SHIM/find.c"
    "$COMPILER" -O2 -c "$SHIM/find.c" -o "$SHIM/find.o"
    cp "$("$COMPILER" -print-file-name=libgcc_eh.a)" "$SHIM/libunwind.a"
    ar r "$SHIM/libunwind.a" "$SHIM/find.o" 2>/dev/null
}

# Debian's compiler, told to link with musl's start files and library in the place of glibc's. The relocation model is stated: with
# the default one the link succeeds too, and makes a file that needs a loader.
build() {
    local name=${TARGET//-/_} gcc_headers flags
    gcc_headers=$("$COMPILER" -print-file-name=include)
    # A panic ends the process and names its place; tables for a walk through stripped code would only take room.
    flags="-C link-self-contained=no -C relocation-model=static -C force-unwind-tables=no -L native=$SHIM -L native=$MUSL"
    flags+=" -Z pre-link-args=-nostartfiles -Z pre-link-arg=-static -Z pre-link-arg=$MUSL/crt1.o -Z pre-link-arg=$MUSL/crti.o"
    flags+=" -C link-arg=-lc -C link-arg=-lgcc -C link-arg=$MUSL/crtn.o"
    # RUSTC_BOOTSTRAP opens -Z to the stable compiler. C of dependencies sees musl's headers, never glibc's.
    env -u RUSTUP_TOOLCHAIN -u RUSTC -u CARGO -u RUSTC_WRAPPER PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 CARGO_INCREMENTAL=0 \
        RUSTFLAGS="$flags" "CARGO_TARGET_${name^^}_LINKER=$COMPILER" "CC_$name=$COMPILER" "AR_$name=ar" \
        "CFLAGS_$name=-nostdinc -isystem $gcc_headers -isystem $HEADERS -U_FORTIFY_SOURCE" \
        cargo build --quiet --locked --profile "$PROFILE" --package ipowdm-agent --bin ipowdm-agent --features "$FEATURES" \
        -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size --target "$TARGET" --target-dir "$OUTPUT" >&2
}

# A file that names a loader or a library is no static one, whatever the linker was told.
prove() {
    local file=$1
    if readelf --program-headers --wide "$file" | grep -q INTERP; then
        die "$file names a loader: it is not static"
    fi
    if readelf --dynamic --wide "$file" | grep -q NEEDED; then
        die "$file needs a library: it is not static"
    fi
    readelf --file-header "$file" | grep -q "Machine:.*$MACHINE" || die "$file is not for $MACHINE"
}

provide_packages
[[ -d $(env PATH=/usr/bin:/bin rustc --print sysroot)/lib/rustlib/src/rust/library ]] ||
    die "Debian's Rust has no library sources: its package rust-web-src is of another version than rustc-web"
mkdir -p "$OUTPUT"
provide_musl
provide_unwinder
say "building for $TARGET with $(env PATH=/usr/bin:/bin rustc --version), features: ${FEATURES:-default}"
build
BINARY=$OUTPUT/$TARGET/$PROFILE/ipowdm-agent
prove "$BINARY"
say "$(stat -c %s "$BINARY") bytes, static"
printf '%s\n' "$BINARY"
