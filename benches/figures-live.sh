#!/usr/bin/env bash
# Measures afresh what live captions promise; one line a figure. About half an hour on two quiet cores.
# usage: figures-live.sh [NAME ...]   (all rows if none is named)
set -eu
cd "$(dirname "$0")/.."
# With the tests, so that the program is the one they run.
cargo build --release --locked --quiet --bin gijiroku --bench live --test it
exec python3 benches/figures_live.py "$@"
