"""Runs whole programs and measures them: CPU seconds, wall time, resident memory of all their processes, CER.

Shared by compare.sh, figures-transcribe.sh and figures-engine.sh; needs nothing but python3.
"""

import json
import os
import resource
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = os.path.join(ROOT, "target/release/gijiroku")
SCRATCH = os.path.join(ROOT, "benches/scratch")
MEETING = os.path.join(ROOT, "tests/fixtures/audio/sample_meeting.ogg")
TRUTH = os.path.join(ROOT, "tests/fixtures/audio/sample_meeting.json")
PEER_PYTHON = os.path.join(SCRATCH, "venv/bin/python")
PEER_WEIGHTS = os.path.join(SCRATCH, "base")


def tree_kib(root):
    """Resident KiB of a process and all its descendants now, shared pages counted once for each process."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                    parents[int(entry)] = int(stat.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    family, grew = {root}, True
    while grew:
        children = {pid for pid, parent in parents.items() if parent in family} - family
        family |= children
        grew = bool(children)
    total = 0
    for pid in family:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
                total += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        except OSError:
            continue
    return total


class Watch(threading.Thread):
    """Samples the memory of a process tree until it ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak_kib, self.over = pid, 0, threading.Event()

    def run(self):
        # Looking costs the machine that is measured some time: four times a second is enough for memory.
        while not self.over.wait(0.25):
            self.peak_kib = max(self.peak_kib, tree_kib(self.pid))


def run(command, timeout=3600):
    """Runs a command to its end: {"cpu_s", "wall_s", "peak_mb", "code"}; its CPU includes all its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    watch = Watch(process.pid)
    watch.start()
    _, errors = process.communicate(timeout=timeout)
    watch.over.set()
    watch.join()
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode not in (0, 4):
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {errors.decode()[-400:]}")
    return {"cpu_s": cpu, "wall_s": wall, "peak_mb": watch.peak_kib / 1024, "code": process.returncode}


def ours(audio, out, *options):
    """Runs our own program on a recording."""
    return run([OURS, "transcribe", audio, "--format", "json", "-o", out, *options])


def peer(audio, out, mode):
    """Runs faster-whisper on a recording."""
    return run([PEER_PYTHON, os.path.join(ROOT, "benches/peer.py"), audio, out, mode, PEER_WEIGHTS])


def evaluate(transcript, truth=TRUTH):
    """Scores a transcript by the product's own scorer."""
    command = [OURS, "evaluate", "--truth", truth, "--transcript", transcript, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


def scratch(name):
    os.makedirs(SCRATCH, exist_ok=True)
    return os.path.join(SCRATCH, name)


def machine():
    """Says in a line what this was measured on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        lines = [line for line in info if line.startswith("model name")]
    model = lines[0].split(":", 1)[1].strip() if lines else "unknown processor"
    return f"{time.strftime('%Y-%m-%d')}, {model}, {os.cpu_count()} cores"
