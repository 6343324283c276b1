#!/usr/bin/env bash
# Measures afresh what `gijiroku transcribe` promises; one line a figure. About half an hour on two cores.
set -eu
cd "$(dirname "$0")/.."
benches/peer.sh >/dev/null || echo "figures: the peer cannot be had; its rows will say so" >&2
exec python3 benches/figures_transcribe.py
