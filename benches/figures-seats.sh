#!/usr/bin/env bash
# Measures afresh what the seats promise; one line a figure. About half an hour on two quiet cores.
# usage: figures-seats.sh [NAME ...]   (all rows if none is named)
set -eu
cd "$(dirname "$0")/.."
# With the benches, so that the program is the one the tests run.
cargo build --release --locked --quiet --bin gijiroku --bench seats --test it --test seats_sim
exec python3 benches/figures_seats.py "$@"
