#!/bin/sh
# k shortest paths by networkx and igraph: how long a pair takes, and how long the paths are.
#
#   scripts/path-peers.sh K NETWORK.json…
#
# A NETWORK is a file of schema linkdb-topology/1. Prints a line of JSON for each network and library, see path_peers.py. The
# libraries are installed under build/path-peers on first use and kept there. Ends with code 2 and a message where they cannot be had.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

NETWORKX=3.6.1
IGRAPH=1.0.0

missing() {
    echo "missing: $1" >&2
    exit 2
}

command -v python3 >/dev/null || missing "python3 (Debian: apt-get install python3)"
venv=$root/build/path-peers/networkx-$NETWORKX-igraph-$IGRAPH
if [ ! -d "$venv" ]; then
    # Complete as soon as it exists under its final name; whoever is second to finish drops what he has.
    mkdir -p "$root/build/path-peers"
    partial=$(mktemp -d "$root/build/path-peers/partial.XXXXXX")
    trap 'rm -rf "$partial"' EXIT
    python3 -m venv "$partial/venv" || missing "the Python venv module (Debian: apt-get install python3-venv)"
    "$partial/venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 20 \
        "networkx==$NETWORKX" "igraph==$IGRAPH" || missing "networkx $NETWORKX and igraph $IGRAPH: pip cannot install them here"
    mv -T "$partial/venv" "$venv" 2>/dev/null || true
fi
[ -x "$venv/bin/python" ] || missing "$venv/bin/python, which cannot be created"
"$venv/bin/python" "$root/scripts/path_peers.py" "$@"
