#!/usr/bin/env bash
# Measures afresh what our own engine promises; one line a figure. About forty minutes on two quiet cores.
# usage: figures-engine.sh [NAME ...]   (all rows if none is named)
set -eu
cd "$(dirname "$0")/.."
benches/peer.sh >/dev/null || echo "figures: the peer cannot be had; its rows will say so" >&2
exec python3 benches/figures_engine.py "$@"
