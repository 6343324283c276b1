#!/usr/bin/env bash
# Measures afresh what is promised of speakers; one line a figure. About a minute on two cores.
# usage: figures-speakers.sh [NAME ...]   (all rows if none is named)
# EVAL names the folder of evaluation recordings; ../shared/eval if absent. The sample meeting needs none.
set -eu
cd "$(dirname "$0")/.."
exec python3 benches/figures_speakers.py "$@"
