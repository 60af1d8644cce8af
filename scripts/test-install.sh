#!/usr/bin/env bash
# Tries dist/install-agent.sh for real: over SSH to a server on the loopback interface with keys of its own, on a "switch" that is an
# overlay of this machine, thrown away afterwards. Its service manager is a stand-in that starts and stops the agent's process.
#
#   scripts/test-install.sh [BINARY]      default: what scripts/build-static.sh x86_64 has left
#
# Needs root (an overlay and chroot) and openssh-server; as root on Debian the package is installed where it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BINARY=$(realpath "${1:-target/static/x86_64-unknown-linux-musl/dist/ipowdm-agent}")
[[ -f $BINARY ]] || {
    printf 'error: no %s: scripts/build-static.sh x86_64 builds one\n' "$BINARY" >&2
    exit 1
}
[[ $(id -u) == 0 ]] || {
    printf 'skipped: needs root\n'
    exit 0
}
if ! command -v sshd >/dev/null; then
    apt-get update -qq
    # The package would start a server of its own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openssh-server openssh-client >/dev/null
fi

if [[ -z ${IPOWDM_INSTALL_TEST:-} ]]; then
    # Mounts, processes and addresses are in namespaces of their own and end with these. What is left then is a folder without
    # mounts, and only such a one is removed: through a mount the removal would reach the machine itself.
    WORK=$(mktemp -d /dev/shm/ipowdm-install.XXXXXX)
    status=0
    IPOWDM_INSTALL_TEST=$WORK unshare --mount --net --pid --fork --mount-proc --kill-child "$0" "$BINARY" || status=$?
    if grep -qF "$WORK" /proc/self/mountinfo; then
        printf 'error: something is still mounted below %s, which is left\n' "$WORK" >&2
        exit 1
    fi
    rm -rf --one-file-system -- "$WORK"
    exit "$status"
fi

WORK=$IPOWDM_INSTALL_TEST
ip link set lo up
SWITCH=$WORK/switch
mkdir -p "$WORK/upper" "$WORK/work" "$SWITCH" "$WORK/keys"
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$SWITCH"
# Nothing of this machine is mounted there but its files, read-only by their nature: an overlay writes to its own folder.
mount -t proc proc "$SWITCH/proc"
mount -t tmpfs tmpfs "$SWITCH/dev"
mount -t tmpfs tmpfs "$SWITCH/tmp"
for device in "null 3" "zero 5" "random 8" "urandom 9"; do
    mknod -m 666 "$SWITCH/dev/${device% *}" c 1 "${device#* }"
done
USER_HOME=$SWITCH$(getent passwd root | cut -d : -f 6)
mkdir -p "$SWITCH/run/systemd/system" "$SWITCH/run/sshd" "$SWITCH/run/units" "$USER_HOME/.ssh"

# The stand-in keeps what it was told in /run/units.
cat >"$WORK/systemctl" <<'SYSTEMCTL'
#!/bin/sh
mkdir -p /run/units
verb=$1; for name; do :; done; [ "$name" != --quiet ] || name=ipowdm-agent
agent() { pid=$(cat /run/units/pid 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
stop() { if agent; then kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; fi; rm -f /run/units/pid; }
start() {
    # shellcheck disable=SC2046
    setsid $(sed -n 's/^ExecStart=//p' /etc/systemd/system/ipowdm-agent.service) </dev/null >/run/units/log 2>&1 &
    echo $! >/run/units/pid
}
case $verb in
    daemon-reload) : ;;
    enable) : >/run/units/enabled ;;
    disable) rm -f /run/units/enabled ;;
    is-enabled) [ -e /run/units/enabled ] ;;
    is-active) agent ;;
    stop) stop ;;
    start) agent || start ;;
    restart) stop; start ;;
    *) exit 1 ;;
esac
SYSTEMCTL
install -m 755 "$WORK/systemctl" "$SWITCH/usr/local/bin/systemctl"

ssh-keygen -q -t ed25519 -N '' -f "$WORK/keys/host"
ssh-keygen -q -t ed25519 -N '' -f "$WORK/keys/user"
install -m 600 "$WORK/keys/user.pub" "$USER_HOME/.ssh/authorized_keys"
install -m 600 "$WORK/keys/host" "$SWITCH/etc/ssh/throwaway"
chroot "$SWITCH" /usr/sbin/sshd -D -e -f /dev/null -p 2222 -h /etc/ssh/throwaway -o ListenAddress=127.0.0.1 -o PidFile=none \
    -o PermitRootLogin=prohibit-password -o StrictModes=no -o UsePAM=no 2>"$WORK/sshd.log" &
ssh="ssh -p 2222 -i $WORK/keys/user -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
for _ in $(seq 100); do
    $ssh root@127.0.0.1 true 2>/dev/null && break
    sleep 0.1
done

place() { printf '%s' "$SWITCH/usr/local/bin/ipowdm-agent${1:-}"; }
# Everything that an installation may touch, as one text; the journal is the agent's own.
state() {
    (cd "$SWITCH" && find usr/local/bin/ipowdm-agent* etc/ipowdm etc/systemd/system/ipowdm-agent* -type f -exec sha256sum {} + 2>/dev/null | sort -k 2) || true
    find "$SWITCH/tmp" "$SWITCH/run/units" -mindepth 1 -maxdepth 1 ! -name log 2>/dev/null | sort
}
# try CODE WORDS…: the script, and the exit code that it must have.
try() {
    local wanted=$1 code=0
    shift
    dist/install-agent.sh --ssh-command "$ssh" "$@" root@127.0.0.1 >"$WORK/out" 2>&1 || code=$?
    [[ $code == "$wanted" ]] || fail "exit code $code and not $wanted"
}
fail() {
    cat "$WORK/out" >&2
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}
same() { cmp -s "$1" "$2" || fail "$1 is not $2"; }
running() { chroot "$SWITCH" systemctl is-active --quiet ipowdm-agent; }
# An agent of another build: more bytes at the end of an ELF file change nothing of what it does.
variant() {
    cp "$BINARY" "$WORK/$1"
    printf '%s' "$1" >>"$WORK/$1"
}
variant first
variant second
# Its doctor finds a fault; everything else is the agent's.
cat >"$WORK/ill" <<'ILL'
#!/bin/sh
case $1 in
    doctor) echo "bus: nobody answers" >&2; exit 1 ;;
    *) exec /opt/agent "$@" ;;
esac
ILL
chmod +x "$WORK/ill"
install -D -m 755 "$BINARY" "$SWITCH/opt/agent"
printf '#!/bin/sh\nexit 1\n' >"$WORK/foreign"
sed 's/^# emulated = false/emulated = true/' dist/agent.toml >"$WORK/agent.toml"
# A doctor that has no broker finds a fault, as it should: those of the first parts are not asked.
empty=$(state)

try 3 --binary "$WORK/first"
[[ $(state) == "$empty" ]] || fail "without settings something was left"
printf 'ok: without settings nothing is changed\n'
try 3 --binary "$WORK/foreign" --config "$WORK/agent.toml"
[[ $(state) == "$empty" ]] || fail "of a file that does not run something was left"
printf 'ok: a file that does not run on the switch changes nothing\n'

try 1 --binary "$WORK/ill" --config "$WORK/agent.toml"
[[ $(state) == "$empty" ]] || fail "a rolled back fresh installation left something: $(state)"
running && fail "an agent runs"
printf 'ok: a fresh installation that doctor finds a fault with is taken back\n'

try 0 --binary "$WORK/first" --config "$WORK/agent.toml" --no-doctor
same "$(place)" "$WORK/first"
running || fail "the agent does not run"
[[ ! -e $(place .previous) ]] || fail "there was nothing before"
printf 'ok: fresh installation, and the agent runs\n'

try 0 --binary "$WORK/second" --no-doctor
same "$(place)" "$WORK/second"
same "$(place .previous)" "$WORK/first"
running || fail "the agent does not run"
printf 'ok: upgrade in place, the one before is kept\n'

before=$(cd "$SWITCH" && sha256sum usr/local/bin/ipowdm-agent etc/ipowdm/agent.toml etc/systemd/system/ipowdm-agent.service)
printf '# changed\n' | cat "$WORK/agent.toml" - >"$WORK/other.toml"
try 1 --binary "$WORK/ill" --config "$WORK/other.toml"
[[ $(cd "$SWITCH" && sha256sum usr/local/bin/ipowdm-agent etc/ipowdm/agent.toml etc/systemd/system/ipowdm-agent.service) == "$before" ]] ||
    fail "after the roll-back the switch is another"
running || fail "the agent of before does not run again"
printf 'ok: a failing doctor rolls an upgrade back, and the agent of before runs again\n'

printf 'nonsense = 1\n' | cat - "$WORK/agent.toml" >"$WORK/bad.toml"
now=$(state)
try 3 --binary "$WORK/first" --config "$WORK/bad.toml"
[[ $(state) == "$now" ]] || fail "refused settings changed something"
printf 'ok: settings that the agent refuses change nothing\n'

code=0
dist/install-agent.sh --ssh-command "${ssh/2222/2223}" --binary "$WORK/first" root@127.0.0.1 >"$WORK/out" 2>&1 || code=$?
[[ $code == 3 && $(state) == "$now" ]] || fail "a switch that is not there: exit code $code"
printf 'ok: a switch that cannot be reached: nothing is left anywhere\n'

# The agent's own doctor: no broker answers here, so it finds a fault, and an installation with it is taken back.
code=0
chroot "$SWITCH" /usr/local/bin/ipowdm-agent doctor --config /etc/ipowdm/agent.toml >"$WORK/doctor" 2>&1 || code=$?
[[ $code == 1 ]] || { cp "$WORK/doctor" "$WORK/out"; fail "doctor without a broker: exit code $code"; }
try 1 --binary "$WORK/first"
same "$(place)" "$WORK/second"
printf 'ok: with its own doctor, which misses the broker, the installation is taken back\n'
chroot "$SWITCH" systemctl stop ipowdm-agent
