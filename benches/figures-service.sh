#!/usr/bin/env bash
# Measures afresh what the service promises; one line a figure. About half an hour on two quiet cores.
# usage: figures-service.sh [NAME ...]   (all rows if none is named)
set -eu
cd "$(dirname "$0")/.."
# With the tests, so that the program is the one they run.
cargo build --release --locked --quiet --bin gijiroku --bench load --test it
exec python3 benches/figures_service.py "$@"
