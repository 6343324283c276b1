"""Prints what the seats promise: `figure seats.NAME VALUE UNIT BAR ok|short`, a line a row.

The rows: histories (the simulation), mutants, model (the model check), kills (the real server killed again and again),
relay (what another product gets wrong), grants and beats (the engine with its log), storm (sockets before the real
server), dead (how long a waiter waits for somebody who is gone), restart (a long log).
"""

import datetime
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import measure
from figures import bench, guarded, say, tested
from service import Server

SUBJECT = "seats"
HISTORIES = os.environ.get("SEATS_HISTORIES", "1000000")
KILLS = os.environ.get("SEATS_KILLS", "50")
EVENTS = os.environ.get("SEATS_EVENTS", "1000000")
SOCKETS = os.environ.get("SEATS_SOCKETS", "10000")
SIMULATION = ("--test", "seats_sim")


def histories():
    text, passed = tested("hold_in_every_history", *SIMULATION, SEATS_HISTORIES=HISTORIES)
    found = re.search(r"(\d+) histories.*", text)
    if not found and passed:
        raise RuntimeError("the simulation told no result")
    broken = re.search(r"seed \d+: .*", text)
    note = found.group(0) if found else broken.group(0) if broken else "failed"
    enough = bool(found) and int(found.group(1)) >= 1_000_000
    say(SUBJECT, "over_issue", 0 if passed else 1, "histories", "0", passed and enough, note)


def named(text, pattern):
    """The tests that passed and whose name has the pattern."""
    return sorted(set(re.findall(rf"test \S*?({pattern})\S* \.\.\. ok", text)))


def mutants():
    text, passed = tested("mutants::", *SIMULATION)
    killed = named(text, r"m\d_")
    fencing = named(text, "i4_without_fencing")
    note = "and the engine without fencing" if fencing else "but not the engine without fencing"
    say(SUBJECT, "mutants_killed", len(killed), "mutants", "4", passed and len(killed) == 4 and bool(fencing), note)


def model():
    text, passed = tested("model::", *SIMULATION)
    states = ", ".join(re.findall(r"[\d,]+ states", text))
    say(SUBJECT, "model_breaks", 0 if passed else 1, "checks", "0", passed, states)


def kills():
    text, passed = tested("seats_kill", SEATS_KILLS=KILLS)
    found = re.search(
        r"seats_kill kills=(\d+) people=(\d+) held_over=(\d+) grants=(\d+) fenced=(\d+) at_once_max=(\d+) "
        r"tokens_back=(\d+) lost=(\d+)", text
    )
    if not found:
        raise RuntimeError("the kill loop told no result" + ("" if passed else ": it failed"))
    count, people, held, grants, fenced, most, back, lost = map(int, found.groups())
    note = f"{count} kills, {people} people, 5 seats, at most {most} at once, {fenced} edits under {grants} grants"
    over = max(0, most - 5) + back
    say(SUBJECT, "kill_over_issue", over, "seats", "0", passed and over == 0 and count >= 50, note)
    note = f"{held} seats were held when a server died"
    say(SUBJECT, "kill_lost", lost, "seats", "0", passed and lost == 0 and count >= 50, note)


def relay():
    text, passed = tested("relay_r", "--lib", "--test", "it", *SIMULATION)
    numbers = {int(number) for number in re.findall(r"test \S*relay_r(\d+)_\S* \.\.\. ok", text)}
    missing = ", ".join(f"R{number}" for number in range(1, 14) if number not in numbers)
    note = f"without {missing}" if missing else ""
    say(SUBJECT, "relay_holes_closed", len(numbers), "holes", "13", passed and not missing, note)


class Folder:
    """A folder on the disk that is measured, gone afterwards."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="gijiroku-seats-", dir=measure.SCRATCH)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def grants():
    with Folder() as folder:
        told = bench("seats", "grants", SEATS_FOLDER=folder, SEATS_TASKS=64)
    with Folder() as folder:
        many = bench("seats", "grants", SEATS_FOLDER=folder, SEATS_TASKS=256)
    server, tokens, meeting = staffed(3000, licensed(600))
    try:
        asked = bench("seats", "asked", SEATS_URL=server.url, SEATS_TOKENS=tokens, SEATS_MEETING=meeting)
    finally:
        server.stop()
    note = (
        f"with their return, 64 at once beside 500 holders; 256 at once {many['per_s']:.0f}/s, p99 "
        f"{many['grant_ms']['p99']:.1f} ms; over HTTP {asked['per_s']:.0f}/s, p99 {asked['grant_ms']['p99']:.1f} ms"
    )
    say(SUBJECT, "grants_per_s", told["per_s"], "1/s", ">=2000", told["per_s"] >= 2000, note)
    times = told["grant_ms"]
    note = f"p50 {times['p50']:.1f}, max {times['max']:.1f} of {times['count']}"
    say(SUBJECT, "grant_p99", times["p99"], "ms", "<=50", times["p99"] <= 50, note)


def beats():
    with Folder() as folder:
        told = bench("seats", "beats", SEATS_FOLDER=folder)
    server, tokens, meeting = staffed(500, licensed(600))
    try:
        beaten = bench("seats", "beaten", SEATS_URL=server.url, SEATS_TOKENS=tokens, SEATS_MEETING=meeting)
    finally:
        server.stop()
    note = f"in the engine; over {beaten['sockets']} sockets {beaten['per_s']:.0f}/s, client on the same cores"
    say(SUBJECT, "heartbeats_per_s", told["per_s"], "1/s", ">=20000", told["per_s"] >= 20_000, note)


def ours(*words):
    """Runs the program; returns what it said."""
    done = subprocess.run([measure.OURS, *words], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{words[:2]}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def licensed(seats):
    """Returns what gives a new office a licence before its server starts."""

    def prepare(folder, settings):
        key, file = os.path.join(folder, "vendor.key"), os.path.join(folder, "a.licence")
        public = re.search(r"[A-Za-z0-9_-]{43}\b", ours("licence", "keygen", "--to", key)).group(0)
        data = os.path.join(folder, "data")
        with open(settings, "w", encoding="utf-8") as out:
            out.write(f'[data]\nfolder = "{data}"\n[licence]\nextra_keys = ["{public}"]\n')
        day = datetime.date.today()
        begin, end = (str(day + datetime.timedelta(days=days)) for days in (-10, 200))
        ours("licence", "issue", "--key", key, "--to", file, "--customer", "計測県", "--seq", "1", "--seats", str(seats),
             "--from", begin, "--until", end)
        os.makedirs(data, exist_ok=True)
        bench("seats", "people", SEATS_FOLDER=data, SEATS_PEOPLE=0, SEATS_TOKENS=os.path.join(folder, "nobody"))
        ours("licence", "install", file, "--config", settings)

    return prepare


def staffed(people, prepare=None):
    """A server with people who have tokens, and a meeting they may edit; returns it, the tokens' file, the meeting."""
    server = Server(prepare)
    try:
        meeting = server.post("/v1/meetings", {"title": "席の計測"})
        tokens = os.path.join(server.folder, "tokens.json")
        bench("seats", "people", SEATS_FOLDER=os.path.join(server.folder, "data"), SEATS_PEOPLE=people,
              SEATS_TOKENS=tokens, SEATS_DEPARTMENT=meeting["department"])
    except BaseException:
        server.stop()
        raise
    return server, tokens, meeting["id"]


def resident_mib(pid, name):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


def storm():
    # Both processes hold a socket for everybody.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server, tokens, meeting = staffed(int(SOCKETS), licensed(600))
    try:
        told = bench("seats", "storm", SEATS_URL=server.url, SEATS_TOKENS=tokens, SEATS_MEETING=meeting,
                     SEATS_SOCKETS=SOCKETS)
        most_mib = resident_mib(server.process.pid, "VmHWM:")
    finally:
        server.stop()
    times = told["open_ms"]
    note = (
        f"{told['opened']} of {told['sockets']} sockets, each of another person, begun over 4 s; p50 {times['p50']:.0f}, "
        f"p99 {times['p99']:.0f} ms" + (f"; {told['first_refusal']}" if told["refused"] else "")
    )
    whole = told["opened"] == told["sockets"]
    say(SUBJECT, "storm_s", told["seconds"], "s", "<=5", whole and told["seconds"] <= 5, note)
    lost = told["leases_lost"]
    say(SUBJECT, "storm_lost", lost, "seats", "0", whole and lost == 0, f"of {told['holders']} holders")
    say(SUBJECT, "storm_memory", most_mib, "MB", "<=300", whole and most_mib <= 300, "the server, at its most")


def dead():
    server, tokens, meeting = staffed(8)
    try:
        told = bench("seats", "dead", SEATS_URL=server.url, SEATS_TOKENS=tokens, SEATS_MEETING=meeting)
    finally:
        server.stop()
    silent, closed = told["silent_s"], told["closed_s"]
    say(SUBJECT, "dead_to_next", silent, "s", "<=61", silent <= 61, "from the last sign of life to the next one's lease")
    say(SUBJECT, "closed_to_next", closed, "s", "<=2", closed <= 2, "from the socket's close")


def restart():
    with Folder() as folder:
        settings, tokens = os.path.join(folder, "gijiroku.toml"), os.path.join(folder, "tokens.json")
        licensed(600)(folder, settings)
        filled = bench("seats", "fill", SEATS_FOLDER=os.path.join(folder, "data"), SEATS_TOKENS=tokens,
                       SEATS_EVENTS=EVENTS, timeout=3000)
        begun = time.monotonic()
        process = subprocess.Popen(
            [measure.OURS, "serve", "--config", settings, "--listen", "127.0.0.1:0"], cwd=measure.ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        try:
            url = re.search(r"(http://127\.0\.0\.1:\d+)", process.stdout.readline()).group(1)
            # The address is told before the seats are read: what counts is the first answer.
            with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
                answer.read()
            serving = time.monotonic() - begun
            told = bench("seats", "held", SEATS_URL=url, SEATS_TOKENS=tokens, SEATS_MEETING="none")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    note = f"{filled['events']} events in the log, {told['kept'] + told['lost']} live seats"
    say(SUBJECT, "restart_s", serving, "s", "<=2", serving <= 2 and int(EVENTS) >= 1_000_000, note)
    lost, first = told["lost"], told["first"]
    note = f"of {told['kept'] + lost}" + (f", the first: {json.dumps(first, ensure_ascii=False)}" if lost else "")
    say(SUBJECT, "restart_lost", lost, "seats", "0", lost == 0 and told["kept"] == 500, note)


ROWS = {
    "histories": (histories, ("over_issue", "histories", "0")),
    "mutants": (mutants, ("mutants_killed", "mutants", "4")),
    "model": (model, ("model_breaks", "checks", "0")),
    "kills": (kills, ("kill_over_issue", "seats", "0"), ("kill_lost", "seats", "0")),
    "relay": (relay, ("relay_holes_closed", "holes", "13")),
    "grants": (grants, ("grants_per_s", "1/s", ">=2000"), ("grant_p99", "ms", "<=50")),
    "beats": (beats, ("heartbeats_per_s", "1/s", ">=20000")),
    "storm": (storm, ("storm_s", "s", "<=5"), ("storm_lost", "seats", "0"), ("storm_memory", "MB", "<=300")),
    "dead": (dead, ("dead_to_next", "s", "<=61"), ("closed_to_next", "s", "<=2")),
    "restart": (restart, ("restart_s", "s", "<=2"), ("restart_lost", "seats", "0")),
}

if __name__ == "__main__":
    os.makedirs(measure.SCRATCH, exist_ok=True)
    for name in sys.argv[1:] or ROWS:
        measurement, *rows = ROWS[name]
        guarded(SUBJECT, measurement, *rows)
