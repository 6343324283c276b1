"""Prints what the service promises: `figure service.NAME VALUE UNIT BAR ok|short`, a line a row.

The rows: faults (a killed server and engine, a simulated power cut), store (one story on two databases), edit (one
person in a four-hour meeting), load (200 readers and 30 editors while a recognition runs), contract (schemathesis
against the API document), roles (every endpoint by every role).
"""

import os
import re
import subprocess
import sys
import time

import measure
import sounds
from figures import bench, guarded, say, tested
from service import Server

SUBJECT = "service"
FAULT_POINTS = os.environ.get("FAULT_POINTS", "200")
LOAD_S = int(os.environ.get("LOAD_S", "60"))
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "30")
VENV = os.path.join(measure.SCRATCH, "schemathesis")


def faults():
    text, passed = tested("faults", FAULT_POINTS=FAULT_POINTS)
    found = re.search(r"faults points=(\d+) lost=(\d+) unreadable=(\d+) redone_ms_max=(\d+)", text)
    if not found:
        raise RuntimeError("the fault test told no result" + ("" if passed else ": it failed"))
    points, lost, unreadable, redone_ms = map(int, found.groups())
    note = f"{points} points"
    say(SUBJECT, "acknowledged_lost", lost, "things", "0", passed and lost == 0 and points >= 200, note)
    say(SUBJECT, "meetings_unreadable", unreadable, "meetings", "0", passed and unreadable == 0, note)
    say(SUBJECT, "sound_done_twice", redone_ms / 1000, "s", "<=30", redone_ms <= 30_000, note)


def store():
    _, passed = tested("store_story")
    say(SUBJECT, "store_story_differences", 0 if passed else 1, "stories", "0", passed, "SQLite and PostgreSQL 15")


def loaded(server, meeting, **settings):
    """Lets many people work for a while; returns what the load generator told."""
    environment = {
        "LOAD_URL": server.url, "LOAD_MEETING": meeting,
        "LOAD_TOKENS": ",".join(server.token(f"load {number}", "read", "write") for number in range(10)),
    }
    return bench("load", **environment, **settings)


def edit():
    server = Server()
    try:
        meeting = server.long_meeting()
        told = loaded(server, meeting, LOAD_READERS=0, LOAD_EDITORS=1, LOAD_EDIT_EVERY_MS=50, LOAD_S=40)
    finally:
        server.stop()
    times = told["edits"]
    note = f"{times['count']} edits, p50 {times['p50']:.1f}, max {times['max']:.1f}; {told['edit_failures']} failed"
    good = times["p99"] <= 20 and told["edit_failures"] == 0
    say(SUBJECT, "edit_p99", times["p99"], "ms", "<=20", good, note)


def load():
    audio = measure.scratch("ninety_minutes.ogg")
    if not os.path.exists(audio):
        sounds.again_and_again(audio, measure.MEETING, 5400)
    server = Server()
    try:
        meeting = server.long_meeting()
        alone = worked(server, audio, "ひとり")
        job = server.upload(audio, "混雑")["job"]
        started(server, job)
        told = loaded(server, meeting, LOAD_S=LOAD_S)
        beside = seconds(server.recognised(job))
    finally:
        server.stop()
    slowed = 100 * (beside / alone - 1)
    reads, edits = told["reads"], told["edits"]
    worst = max(reads["p99"], edits["p99"])
    failures = told["read_failures"] + told["edit_failures"]
    note = (
        f"reads p50 {reads['p50']:.1f} p99 {reads['p99']:.1f} of {reads['count']}, edits p50 {edits['p50']:.1f} "
        f"p99 {edits['p99']:.1f} of {edits['count']}; {failures} failed, {told['edit_conflicts']} conflicts"
    )
    say(SUBJECT, "load_p99", worst, "ms", "<=150", worst <= 150 and failures == 0, note)
    note = f"{alone:.1f} s alone, {beside:.1f} s beside {told['seconds']} s of load"
    say(SUBJECT, "recognition_slowed", slowed, "%", "<=15", slowed <= 15, note)


def started(server, job):
    while server.get(f"/v1/jobs/{job}")["state"] == "waiting":
        time.sleep(0.2)


def seconds(job):
    return (job["finished_at"] - job["started_at"]) / 1000


def worked(server, audio, title):
    return seconds(server.recognised(server.upload(audio, title)["job"]))


def contract():
    program = os.path.join(VENV, "bin/schemathesis")
    if not os.path.exists(program):
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([os.path.join(VENV, "bin/pip"), "install", "-q", "schemathesis"], check=True)
    plenty = {"GIJIROKU__LIMITS__REQUESTS_PER_ACCOUNT_MINUTE": "1000000",
              "GIJIROKU__LIMITS__REQUESTS_PER_ACCOUNT_BURST": "1000000"}
    server = Server(**plenty)
    try:
        token = server.token("contract", "read", "write", "administer")
        command = [
            program, "run", f"{server.url}/openapi.json", "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--header", f"Authorization: Bearer {token}", "--max-examples", EXAMPLES,
            "--exclude-path-regex", "events$|/v1/session$", "--request-timeout", "60",
        ]
        hooks = os.path.join(measure.ROOT, "benches", "contract_hooks.py")
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=3000, cwd=server.folder,
            env={**os.environ, "SCHEMATHESIS_HOOKS": hooks},
        )
    finally:
        server.stop()
    with open(os.path.join(measure.SCRATCH, "schemathesis.txt"), "w", encoding="utf-8") as out:
        out.write(done.stdout + done.stderr)
    tail = done.stdout
    told = re.findall(r"(\d+) (?:unique )?(?:failures|errors)", tail)
    broken = int(max(told, key=int)) if told else (0 if done.returncode == 0 else 1)
    cases = re.search(r"\d+ generated", tail)
    note = f"{EXAMPLES} examples an operation" + (f", {cases.group(0)}" if cases else "")
    say(SUBJECT, "contract_breaks", broken, "failures", "0", done.returncode == 0, note)


def roles():
    _, passed = tested("roles")
    say(SUBJECT, "role_table_gaps", 0 if passed else 1, "gaps", "0", passed)


ROWS = {
    "faults": (faults, ("acknowledged_lost", "things", "0"), ("meetings_unreadable", "meetings", "0"),
               ("sound_done_twice", "s", "<=30")),
    "store": (store, ("store_story_differences", "stories", "0")),
    "edit": (edit, ("edit_p99", "ms", "<=20")),
    "load": (load, ("load_p99", "ms", "<=150"), ("recognition_slowed", "%", "<=15")),
    "contract": (contract, ("contract_breaks", "failures", "0")),
    "roles": (roles, ("role_table_gaps", "gaps", "0")),
}

if __name__ == "__main__":
    os.makedirs(measure.SCRATCH, exist_ok=True)
    for name in sys.argv[1:] or ROWS:
        measurement, *rows = ROWS[name]
        guarded(SUBJECT, measurement, *rows)
