#!/usr/bin/env bash
# Puts the agent on a switch over SSH: copies the static file, upgrades in place, keeps the one before, and goes back to it where
# `ipowdm-agent doctor` finds a fault. Lasers stay as they are throughout: an agent that stops leaves them alone.
#
#   dist/install-agent.sh --binary "$(scripts/build-static.sh x86_64 | tail -n 1)" --config agent.toml admin@switch
#
#   --binary FILE        the static agent
#   --config FILE        settings to put in the place of the switch's; without it those are kept, and must be there
#   --unit FILE          systemd unit (default: dist/systemd/ipowdm-agent.service beside this script)
#   --root FOLDER        install below this folder of the switch, and start nothing (images, trials)
#   --ssh-command WORDS  what reaches the switch: WORDS HOST COMMAND (default: ssh -o BatchMode=yes -o ConnectTimeout=10)
#   --no-doctor          do not ask doctor; the agent must still start
#
# Where the user of the switch is not root, sudo must work without a password. Exit codes: 0 installed; 1 rolled back: the switch is
# as before, but for what the agent wrote into its journal; 2 wrong options; 3 the switch cannot be reached, or is none for this file: nothing was changed.
set -euo pipefail

BINARY='' CONFIG='' ROOT='' HOST='' DOCTOR=yes
UNIT=$(dirname "${BASH_SOURCE[0]}")/systemd/ipowdm-agent.service
SSH=(ssh -o BatchMode=yes -o ConnectTimeout=10)

say() { printf '%s\n' "$*" >&2; }
wrong() {
    say "error: $*"
    sed -n '/^#   --/s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
        --binary | --config | --unit | --root | --ssh-command)
            [[ $# -ge 2 ]] || wrong "$1 needs a value"
            case $1 in
                --binary) BINARY=$2 ;;
                --config) CONFIG=$2 ;;
                --unit) UNIT=$2 ;;
                --root) ROOT=${2%/} ;;
                --ssh-command) read -r -a SSH <<<"$2" ;;
            esac
            shift
            ;;
        --no-doctor) DOCTOR='' ;;
        -*) wrong "no option $1" ;;
        *)
            [[ -z $HOST ]] || wrong "one switch at a time"
            HOST=$1
            ;;
    esac
    shift
done
[[ -n $HOST ]] || wrong "which switch?"
[[ -f $BINARY ]] || wrong "--binary: no file '$BINARY'"
[[ -z $CONFIG || -f $CONFIG ]] || wrong "--config: no file '$CONFIG'"
[[ -f $UNIT ]] || wrong "--unit: no file '$UNIT'"

# One word for any shell.
quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
remote() { "${SSH[@]}" "$HOST" "$@"; }
unreachable() {
    say "error: $*; nothing was changed"
    exit 3
}

# What is done on the switch, as one program for its shell; the files come on standard input as an archive. Every path is below the
# root. What was there before is kept under .previous, and put back where something fails.
steps() {
    printf 'ROOT=%s DOCTOR=%s CONFIG=%s\n' "$(quoted "$ROOT")" "$DOCTOR" "${CONFIG:+yes}"
    cat <<'STEPS'
set -eu
umask 022
BIN=$ROOT/usr/local/bin/ipowdm-agent
SETTINGS=$ROOT/etc/ipowdm/agent.toml
UNIT=$ROOT/etc/systemd/system/ipowdm-agent.service
# Whoever asked may be gone: the work is ended all the same.
trap '' PIPE
say() { printf '%s\n' "$*" >&2 || true; }
# Nothing is started below another root, and where there is no service manager.
manages() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }

STAGED=$(mktemp -d "${TMPDIR:-/tmp}/ipowdm-agent.XXXXXX")
trap 'rm -rf "$STAGED"' EXIT
trap 'exit 1' HUP INT TERM
tar -C "$STAGED" -xf -

# Before anything is changed: the file runs here, and takes the settings that it will have.
"$STAGED/ipowdm-agent" --version >&2 || { say "the file does not run on this switch"; exit 3; }
USED=$SETTINGS
[ -z "$CONFIG" ] || USED=$STAGED/agent.toml
[ -f "$USED" ] || { say "there are no settings on this switch: give --config"; exit 3; }
"$STAGED/ipowdm-agent" run --config "$USED" --check-config >"$STAGED/check" 2>&1 ||
    { cat "$STAGED/check" >&2; say "the settings are refused"; exit 3; }

# put FILE PLACE MODE: what is at PLACE is kept, and FILE takes its place in one step.
put() {
    mkdir -p "$(dirname "$2")"
    rm -f "$2.previous"
    [ ! -e "$2" ] || cp -p "$2" "$2.previous"
    cp "$STAGED/$1" "$2.new"
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}
back() {
    rm -f "$1.new"
    if [ -e "$1.previous" ]; then mv -f "$1.previous" "$1"; else rm -f "$1"; fi
}
roll_back() {
    say "rolling back: $*"
    if manages; then
        systemctl stop ipowdm-agent >&2 || true
        [ -e "$STAGED/was-enabled" ] || systemctl disable ipowdm-agent >&2 || true
    fi
    [ ! -e "$STAGED/put-binary" ] || back "$BIN"
    [ ! -e "$STAGED/put-settings" ] || back "$SETTINGS"
    [ ! -e "$STAGED/put-unit" ] || back "$UNIT"
    if manages; then
        systemctl daemon-reload || true
        [ ! -e "$STAGED/was-active" ] || systemctl start ipowdm-agent >&2 || say "the agent of before does not start"
    fi
    say "the switch is as before"
    exit 1
}
trap 'roll_back "interrupted"' HUP INT TERM

! manages || ! systemctl is-active --quiet ipowdm-agent || : >"$STAGED/was-active"
! manages || ! systemctl is-enabled --quiet ipowdm-agent 2>/dev/null || : >"$STAGED/was-enabled"
mkdir -p "$ROOT/var/lib/ipowdm"
chmod 700 "$ROOT/var/lib/ipowdm"
: >"$STAGED/put-binary"
put ipowdm-agent "$BIN" 755 || roll_back "the file cannot be written"
if [ -n "$CONFIG" ]; then
    : >"$STAGED/put-settings"
    put agent.toml "$SETTINGS" 600 || roll_back "the settings cannot be written"
fi
: >"$STAGED/put-unit"
put ipowdm-agent.service "$UNIT" 644 || roll_back "the unit cannot be written"
if manages; then
    systemctl daemon-reload
    systemctl enable ipowdm-agent >&2 || roll_back "the unit cannot be enabled"
    systemctl restart ipowdm-agent || roll_back "the agent does not start"
    # One that ends at once is started again and again by the service manager: it must be there a little later, too.
    sleep 2
    systemctl is-active --quiet ipowdm-agent || roll_back "the agent does not stay up"
fi
if [ -n "$DOCTOR" ]; then
    "$BIN" doctor --config "$SETTINGS" >&2 || roll_back "doctor finds a fault"
fi
say "installed: $("$BIN" --version)"
STEPS
}

staged=$(mktemp -d)
trap 'rm -rf -- "$staged"' EXIT
cp -- "$BINARY" "$staged/ipowdm-agent"
chmod 755 "$staged/ipowdm-agent"
cp -- "$UNIT" "$staged/ipowdm-agent.service"
[[ -z $CONFIG ]] || cp -- "$CONFIG" "$staged/agent.toml"
files=(ipowdm-agent ipowdm-agent.service ${CONFIG:+agent.toml})

remote true </dev/null || unreachable "$HOST cannot be reached"
# A root of one's own needs no other user.
become=''
if [[ -z $ROOT ]] && [[ $(remote id -u </dev/null) != 0 ]]; then
    become='sudo -n '
    remote sudo -n true </dev/null || unreachable "sudo asks for a password on $HOST"
fi
status=0
tar -C "$staged" -cf - "${files[@]}" | remote "${become}sh -c $(quoted "$(steps)")" || status=$?
case $status in
    0 | 1) exit "$status" ;;
    3) unreachable "$HOST is no switch for this" ;;
    *)
        say "error: the connection to $HOST was lost (exit code $status); what was under way there ends by itself: run this again"
        exit 1
        ;;
esac
