#!/usr/bin/env bash
# Starts a Redis server on the loopback interface, for tests: durable (append-only file, synced at every write), no password.
#
#   address=$(scripts/redis-up.sh | tail -n 1)
#   redis-cli -u "redis://$address" ping
#   scripts/redis-down.sh "$address"
#
# With --switch the server also listens where the databases of a SONiC switch do, below PARENT-FOLDER as if that were the
# root of the switch: PARENT-FOLDER/var/run/redis/redis.sock. Nothing is durable then, as on a switch.
#
# Several servers may run side by side, each on a free port with a folder of its own. redis-server is taken from the path; on
# Debian or Ubuntu, as root, it is installed first where it is missing.
# Progress goes to standard error; the last line on standard output is the address.
set -euo pipefail

# shellcheck source=scripts/redis/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/redis/common.sh"

OPTIONS=(--switch)
# Seconds until a started server must answer; a busy machine takes its time.
READY_DEADLINE=${REDIS_READY_DEADLINE:-60}

usage() {
    say "usage: scripts/redis-up.sh [--switch] [PARENT-FOLDER]"
    say "starts one Redis server on 127.0.0.1 and prints its address as the last line; its files go into a folder of their own"
    say "under PARENT-FOLDER (default: ${TMPDIR:-/tmp})"
    say "--switch: it also listens on PARENT-FOLDER/var/run/redis/redis.sock, as the databases of a SONiC switch do"
}

# Installs the server without letting the package start one of its own, which would listen where everybody looks.
install_server() {
    local policy=/usr/sbin/policy-rc.d own=
    say "installing redis-server"
    if [[ ! -e "$policy" ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        own=yes
    fi
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server; } >&2; then
        [[ -z "$own" ]] || rm -f "$policy"
        die "apt-get could not install redis-server (its last lines are above)"
    fi
    [[ -z "$own" ]] || rm -f "$policy"
}

require_server() {
    if ! command -v redis-server >/dev/null; then
        if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
            install_server
        else
            die "redis-server is missing: Redis 7.0 or later (Debian package redis-server)"
        fi
    fi
    local version
    version=$(redis-server --version | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
    [[ -n "$version" ]] || die "cannot read the version that 'redis-server --version' prints"
    ((version >= 7)) || die "Redis $version is too old: version 7.0 or later is needed"
}

# write_config PORT
write_config() {
    cat >"$DATA/redis.conf" <<CONF
bind 127.0.0.1
port $1
protected-mode yes
daemonize no
dir $DATA
# What the store asks of a server: an acknowledged commit is on disk.
appendonly yes
appendfsync always
# The append-only file is all there is to restore.
save ""
maxmemory 0
CONF
    if chosen --switch; then
        mkdir -p "$PARENT/var/run/redis"
        cat >>"$DATA/redis.conf" <<CONF
unixsocket $PARENT/var/run/redis/redis.sock
appendonly no
CONF
    fi
}

# Waits until the server answers. Status 1: it ended or did not answer before the deadline.
await_ready() {
    local pid=$1 port=$2 deadline=$((SECONDS + READY_DEADLINE)) line
    until grep -q 'Ready to accept connections' "$STATE/server.log"; do
        kill -0 "$pid" 2>/dev/null || return 1
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'PING\r\n' >&3
    IFS= read -r -t "$((deadline - SECONDS + 1))" line <&3 || line=
    exec 3>&-
    [[ "$line" == +PONG* ]]
}

# One attempt to start a server. Leaves ADDRESS empty when the port was taken meanwhile, which is worth another attempt.
start_server() {
    local port pid
    ADDRESS=
    port=$(free_port)
    claim_port "$port" || return 0
    write_config "$port"
    # A session of its own: a Ctrl-C meant for the caller does not reach the server.
    setsid redis-server "$DATA/redis.conf" </dev/null >>"$STATE/server.log" 2>&1 &
    pid=$!
    printf '%s\n' "$pid" >"$STATE/server.pid"
    if await_ready "$pid" "$port"; then
        ADDRESS=$(<"$STATE/address")
    elif grep -q 'Address already in use' "$STATE/server.log"; then
        stop_server "$STATE"
    else
        tail -n 20 "$STATE/server.log" >&2 || true
        die "Redis was not ready within $READY_DEADLINE s (its last lines are above)"
    fi
    keep_server
}

read_up_arguments "$@"
require_server
start_on_free_port
