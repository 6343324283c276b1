#!/usr/bin/env bash
# Prepares the live peer: WhisperLiveKit from PyPI in a virtual environment of its own, with the same base weights as ours.
# Prints the environment's python on the last line. Takes some gigabytes: its torch brings what graphics cards need.
set -eu
cd "$(dirname "$0")/.."
scratch=benches/scratch
version=0.2.26

benches/peer.sh >/dev/null
if [ ! -x "$scratch/wlk/bin/python" ]; then
    python3 -m venv "$scratch/wlk"
fi
"$scratch/wlk/bin/python" -c "import importlib.metadata as m, sys; sys.exit(m.version('whisperlivekit') != '$version')" 2>/dev/null ||
    "$scratch/wlk/bin/python" -m pip install --quiet --disable-pip-version-check "whisperlivekit==$version" >&2
echo "$scratch/wlk/bin/python"
