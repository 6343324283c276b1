"""Prints one line a promised figure of live captions: `figure live.NAME VALUE UNIT BAR ok|short`.

LIVE_S (0 = the whole meeting) seconds of one room; THREE_S (280) seconds of three rooms; HOURS (8) of replay; LIVE_ENGINE (native).
`figures_live.py NAME ...` measures those rows alone.
"""

import functools
import json
import os
import statistics
import subprocess
import sys

import figures
import measure
import screens

LIVE_S = int(os.environ.get("LIVE_S", "0"))
THREE_S = int(os.environ.get("THREE_S", "280"))
HOURS = int(os.environ.get("HOURS", "8"))
# Other work takes the machine in the three rooms' run: from and until, seconds.
HOG = "40-65"
LEVELS = [
    "full", "no_guesses_in_pauses", "slow_partials", "rare_partials", "finals_only", "quick_finals", "batch_paused", "delayed",
]

say = functools.partial(figures.say, "live")
guarded = functools.partial(figures.guarded, "live")


def at_most(name, value, unit, bar, note="", met=True):
    say(name, value, unit, f"<={bar}", value is not None and value <= bar and met, note)


def bench(folder, **environment):
    """Runs the live bench; what rooms were told is in benches/scratch/`folder` afterwards."""
    out = measure.scratch(folder)
    os.makedirs(out, exist_ok=True)
    return figures.bench("live", timeout=1_800, LIVE_OUT=out, **environment), out


def latencies(room, truth=measure.TRUTH):
    """Seconds from onset to the first text, and from the end of speech to the final, utterance by utterance.

    Onset and end are those of the truth where it has one within 0.4 s, and the detector's elsewhere.
    """
    with open(truth, encoding="utf-8") as file:
        segments = json.load(file)["segments"]
    onsets, ends = ([1_000 * segment[key] for segment in segments] for key in ("start", "end"))
    first, final = [], []
    for told in room["utterances"]:
        if told["first_ms"] is not None:
            first.append((told["first_ms"] - screens.nearest(onsets, told["onset_ms"], 400)) / 1_000)
        final.append((told["final_ms"] - screens.nearest(ends, told["speech_end_ms"], 400)) / 1_000)
    return first, final


def lost(run):
    """Utterances that never became final, and those without text."""
    return sum(room["open"] + room["gaps"] for room in run["rooms"])


def erasure(room, key="erased_chars"):
    return room[key] / max(1, room["final_chars"])


@functools.cache
def one_room():
    return bench("live_one", LIVE_ROOMS=1, LIVE_S=LIVE_S)


def one_latency():
    run, out = one_room()
    first, final = latencies(run["rooms"][0])
    share = (run["engine_cpu_s"] + run["own_cpu_s"]) / (run["length_ms"] / 1_000)
    note = f"{len(first)} utterances in {run['length_ms'] / 1000:.0f} s, {share:.2f} cores; max {max(first):.2f} s"
    at_most("first_partial_p50", screens.percentile(first, 0.5), "s", 1.3, note)
    at_most("first_partial_p95", screens.percentile(first, 0.95), "s", 2.0)
    met = lost(run) == 0
    at_most("final_p50", screens.percentile(final, 0.5), "s", 1.2, f"max {max(final):.2f} s, {lost(run)} lost", met)
    at_most("final_p95", screens.percentile(final, 0.95), "s", 2.5, met=met)
    with open(os.path.join(out, "room0.screen.json"), encoding="utf-8") as file:
        told_sentences("", json.load(file), run["length_ms"] / 1_000)


def told_sentences(name, screen, until_s, note=""):
    """Reported, without a bar: the same measure for every system, sentence by sentence of the truth."""
    settled, shown = screens.sentence_latencies(measure.TRUTH, screen, until_s)
    p50, p95 = (screens.percentile(settled, share) for share in (0.5, 0.95))
    more = f"first character of a sentence shown p50 {screens.percentile(shown, 0.5):.2f} s, p95 {screens.percentile(shown, 0.95):.2f} s"
    more = f"{note}; {more}" if note else more
    say(f"{name}sentence_settled_p50", p50, "s", "-", True, f"{len(settled)} sentences of the truth; {more}")
    say(f"{name}sentence_settled_p95", p95, "s", "-", True)


@functools.cache
def three_rooms():
    folder = variations()
    sounds = ":".join(os.path.join(folder, f"live_{name}.wav") for name in ("clean", "noisy", "echoing"))
    return bench("live_three", LIVE_ROOMS=3, LIVE_S=THREE_S, LIVE_HOG_S=HOG, LIVE_AUDIO=sounds)


def three():
    run, _ = three_rooms()
    final = [seconds for room in run["rooms"] for seconds in latencies(room)[1]]
    levels = ", ".join(f"{at / 1000:.0f} s {level}" for at, level in run["levels"]) or "none"
    note = f"{len(final)} finals, p50 {screens.percentile(final, 0.5):.2f}, max {max(final):.2f} s; other work on 16 threads {HOG} s"
    at_most("three_rooms_final_p95", screens.percentile(final, 0.95), "s", 4, note)
    say("three_rooms_finals_lost", lost(run), "finals", "0", lost(run) == 0)
    worst = max((LEVELS.index(level) for _, level in run["levels"]), default=0)
    back = bool(run["levels"]) and run["levels"][-1][1] == "full"
    say("three_rooms_steps_down", worst, "levels", ">=1 and back", worst >= 1 and back, levels)


def variations():
    """The meeting as it is and in three worse rooms."""
    folder = measure.scratch("live_variations")
    if not os.path.exists(os.path.join(folder, "live_far.wav")):
        bench("live_variations", LIVE_MODE="variations")
    return folder


def batch_cer(audio):
    out = measure.scratch("live_batch.json")
    measure.ours(audio, out)
    return figures.error_rate(measure.evaluate(out))


def accuracy():
    """The meeting was heard in real time; its worse rooms on a clock that waits, which changes no text but saves half an hour."""
    _, out = one_room()
    if LIVE_S:
        raise RuntimeError("LIVE_S is set: the whole meeting is needed")
    notes, differences = [], []
    for name in ("clean", "noisy", "echoing", "far"):
        audio = os.path.join(variations(), f"live_{name}.wav")
        folder = out if name == "clean" else bench("live_ideal", LIVE_MODE="ideal", LIVE_AUDIO=audio)[1]
        live = figures.error_rate(measure.evaluate(os.path.join(folder, "room0.json")))
        batch = batch_cer(audio)
        differences.append(live - batch)
        notes.append(f"{name} {live:.2f} against {batch:.2f} %")
    say("cer_over_batch", differences[0], "points", "<=1.5", differences[0] <= 1.5, "; ".join(notes))
    mean = statistics.mean(differences)
    say("cer_over_batch_mean", mean, "points", "<=1.5", mean <= 1.5, "four rooms")


def stability():
    run, _ = one_room()
    room = run["rooms"][0]
    note = f"{room['tentatives']} tentative texts, {room['asked_partials']} guesses"
    say("committed_retracted", room["retracted_chars"], "characters", "0", room["retracted_chars"] == 0, note)
    whole = erasure(room) + erasure(room, "erased_by_finals_chars")
    at_most("tail_erasure", erasure(room), "ratio", 0.4, f"{whole:.2f} with what the final text changes")


def hours():
    run, _ = bench("live_hours", LIVE_MODE="hours", LIVE_HOURS=HOURS)
    memory = run["memory_s_own_engine_kib"]
    first = next((row for row in memory if row[0] >= 3_600), memory[0])
    grown = (memory[-1][1] + memory[-1][2] - first[1] - first[2]) / 1_024
    note = (
        f"{run['hours']:.1f} h of sound on a clock that waits; {run['finals']} finals, {run['computed']} of {run['asked']} questions "
        f"computed, the others known from the same sound; now {memory[-1][1] / 1024:.0f} + engine {memory[-1][2] / 1024:.0f} MB"
    )
    say("hours_memory_grown", grown, "MB", "<=20", grown <= 20, note)
    note = f"starts of the same utterance in all {run['rounds']} rounds; {run['unmatched']} without a counterpart"
    at_most("hours_drift", run["drift_ms_max"], "ms", 100, note, run["unmatched"] == 0)


def peer():
    """Reported, without a bar: WhisperLiveKit with the same weights on the same sound, policy by policy, in real time."""
    done = subprocess.run([os.path.join(measure.ROOT, "benches/wlk.sh")], capture_output=True, text=True, timeout=3_600)
    if done.returncode:
        raise RuntimeError("it cannot be installed: " + (done.stderr.strip().splitlines() or ["no reason given"])[-1])
    python = done.stdout.strip().splitlines()[-1]
    for policy in ("localagreement", "simulstreaming"):
        row = (f"peer_{policy}_sentence_settled", "s", "-")
        guarded(functools.partial(peer_policy, python, policy), row)


def peer_policy(python, policy):
    out = measure.scratch(f"wlk_{policy}.json")
    command = [python, os.path.join(measure.ROOT, "benches/live_peer.py"), measure.MEETING, str(LIVE_S), out]
    ran = subprocess.run([*command, measure.PEER_WEIGHTS, policy], capture_output=True, text=True, timeout=1_200, cwd=measure.ROOT)
    if ran.returncode:
        with open(out + ".log", encoding="utf-8") as log:
            reasons = [line.strip() for line in log if "Error" in line] + ran.stderr.strip().splitlines()[-1:]
        raise RuntimeError((reasons or ["no reason given"])[0])
    with open(out, encoding="utf-8") as file:
        screen = json.load(file)
    length_s = LIVE_S or 351.4
    note = f"WhisperLiveKit {policy}, {screen['cpu_s'] / length_s:.2f} cores, {screen['peak_mb']:.0f} MB"
    if not LIVE_S:
        listed = measure.scratch(f"wlk_{policy}_text.json")
        with open(listed, "w", encoding="utf-8") as file:
            json.dump([{"start": 0, "end": length_s, "text": screen["text"]}], file, ensure_ascii=False)
        note += f", CER {figures.error_rate(measure.evaluate(listed)):.2f} %"
    told_sentences(f"peer_{policy}_", screen, length_s, note)


def fault(name):
    """Faults need the server, its journal and its clients: the script that breaks them tells one line of JSON a row."""
    script = os.path.join(measure.ROOT, "benches/live_faults.py")
    if not os.path.exists(script):
        raise RuntimeError("benches/live_faults.py is not there: nothing breaks the server and its clients yet")
    done = subprocess.run([sys.executable, script, name], capture_output=True, text=True, timeout=900, cwd=measure.ROOT)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def faults(name, bar):
    told = fault(name)
    at_most(f"lost_{name}", told["lost_s"], "s", bar, told.get("note", ""))


FAULTS = [("server_killed", 0), ("engine_killed", 0), ("network_cut", 0), ("client_killed", 1)]

ROWS = [
    (
        one_latency,
        ("first_partial_p50", "s", "<=1.3"),
        ("first_partial_p95", "s", "<=2.0"),
        ("final_p50", "s", "<=1.2"),
        ("final_p95", "s", "<=2.5"),
    ),
    (
        three,
        ("three_rooms_final_p95", "s", "<=4"),
        ("three_rooms_finals_lost", "finals", "0"),
        ("three_rooms_steps_down", "levels", ">=1 and back"),
    ),
    (accuracy, ("cer_over_batch", "points", "<=1.5"), ("cer_over_batch_mean", "points", "<=1.5")),
    (stability, ("committed_retracted", "characters", "0"), ("tail_erasure", "ratio", "<=0.4")),
    *((functools.partial(faults, name, bar), (f"lost_{name}", "s", f"<={bar}")) for name, bar in FAULTS),
    (hours, ("hours_memory_grown", "MB", "<=20"), ("hours_drift", "ms", "<=100")),
    (peer, ("peer_sentence_settled", "s", "-")),
]


def main():
    wanted = sys.argv[1:]
    print(f"# {measure.machine()}, Whisper base, {os.environ.get('LIVE_ENGINE', 'native')} engine")
    for measurement, *rows in ROWS:
        if not wanted or any(name in wanted for name, _, _ in rows):
            guarded(measurement, *rows)


if __name__ == "__main__":
    main()
