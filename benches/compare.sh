#!/usr/bin/env bash
# The sample meeting by faster-whisper and by us, alternately, on the same machine with the same base weights.
# usage: compare.sh [ROUNDS]   (default 3)
set -eu
cd "$(dirname "$0")/.."
benches/peer.sh >/dev/null
exec python3 benches/compare.py "${1:-3}"
