#!/usr/bin/env bash
# Prepares the peer: faster-whisper from PyPI in a scratch virtual environment, with the same base weights as ours.
# Prints the environment's python on the last line.
set -eu
cd "$(dirname "$0")/.."
scratch=benches/scratch
version=1.2.1

if [ ! -x "$scratch/venv/bin/python" ]; then
    mkdir -p "$scratch"
    python3 -m venv "$scratch/venv" 2>/dev/null || {
        echo "peer: python3-venv is missing: apt-get install python3-venv" >&2
        exit 1
    }
fi
"$scratch/venv/bin/python" -c "import faster_whisper, sys; sys.exit(faster_whisper.__version__ != '$version')" 2>/dev/null ||
    "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check "faster-whisper==$version" >&2

# The peer reads the very file our importer reads.
mkdir -p "$scratch/base"
models/fetch.sh --sources "$scratch/base" >&2
echo "$scratch/venv/bin/python"
