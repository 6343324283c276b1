#!/usr/bin/env bash
# Measures afresh what the service promises; one line a figure. About half an hour on two quiet cores.
# usage: figures-service.sh [NAME ...]   (all rows if none is named)
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
cargo bench --locked --quiet --bench load --no-run 2>/dev/null
exec python3 benches/figures_service.py "$@"
