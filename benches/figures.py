"""What the scripts that print figures share: a line a row, a row that fails alone, pairs in turn.

A line is `figure SUBJECT.NAME VALUE UNIT BAR ok|short`, then perhaps `# why`.
"""

import glob
import json
import os
import re
import statistics
import subprocess
import sys
import traceback

import measure
import sounds

ROUNDS = int(os.environ.get("ROUNDS", "3"))


def say(subject, name, value, unit, bar, good, note=""):
    """Prints a row; without a value it says `none`."""
    shown = "none" if value is None else f"{value:.2f}"
    print(f"figure {subject}.{name} {shown} {unit} {bar} {'ok' if good else 'short'}{'  # ' + note if note else ''}")
    sys.stdout.flush()


def guarded(subject, measurement, *rows):
    """A row that could not be measured says so; the others go on. Each row is (name, unit, bar)."""
    try:
        measurement()
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the row's answer
        traceback.print_exc(file=sys.stderr)
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        for name, unit, bar in rows:
            say(subject, name, None, unit, bar, False, reason)


def tested(name, *targets, timeout=5400, **environment):
    """Runs tests of these targets (the integration binary if none is named); returns what they printed and whether all passed."""
    command = ["cargo", "test", "--release", "--locked", *(targets or ("--test", "it")), "--", name, "--nocapture"]
    done = subprocess.run(
        command, cwd=measure.ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout
    )
    text = done.stdout + done.stderr
    ran = re.findall(r"test result: \w+\. (\d+) passed; (\d+) failed", text)
    if sum(int(passed) + int(failed) for passed, failed in ran) == 0:
        raise RuntimeError(f"no test ran for {name}")
    return text, done.returncode == 0


def bench(name, *words, timeout=900, **environment):
    """Runs a load that prints JSON; returns what it told."""
    paths = glob.glob(os.path.join(measure.ROOT, f"target/release/deps/{name}-*"))
    programs = [path for path in paths if "." not in os.path.basename(path)]
    if not programs:
        raise RuntimeError(f"the load {name} is not built")
    done = subprocess.run(
        [max(programs, key=os.path.getmtime), *words], capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the load ended badly")
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_turn(first, second):
    """Runs two measurements ROUNDS times, the order turning round; returns two lists of results."""
    results = [], []
    for turn in range(ROUNDS):
        for index in (0, 1) if turn % 2 == 0 else (1, 0):
            results[index].append((first, second)[index]())
    return results


def ratio(ours, others, key="cpu_s"):
    """The median of the ratios pair by pair."""
    return statistics.median(our[key] / other[key] for our, other in zip(ours, others))


def error_rate(scores):
    """Normalised character error rate in percent."""
    return 100 * scores["normalised"]["rate"]


def paired(mode, preset, *options):
    """Ours and the peer in turn; returns the median ratio of CPU seconds, both error rates in percent, our scores."""
    our_out, peer_out = measure.scratch(f"{preset}.json"), measure.scratch(f"{mode}.json")
    ours, peers = in_turn(
        lambda: measure.ours(measure.MEETING, our_out, "--preset", preset, *options),
        lambda: measure.peer(measure.MEETING, peer_out, mode),
    )
    scores = measure.evaluate(our_out)
    return ratio(ours, peers), error_rate(scores), error_rate(measure.evaluate(peer_out)), scores


def invented(seconds):
    """The most characters written over silence, room noise or music, and a note with all three."""
    worst, notes = 0, []
    for kind in (sounds.silence, sounds.room_noise, sounds.music):
        path, out = measure.scratch(f"{kind.__name__}.wav"), measure.scratch(f"{kind.__name__}.json")
        sounds.write(path, kind(seconds))
        measure.ours(path, out)
        truth = measure.scratch("nobody.json")
        with open(truth, "w", encoding="utf-8") as file:
            file.write(f'{{"duration": {seconds}, "segments": []}}')
        found = measure.evaluate(out, truth)["invented"]
        characters = found["flagged_chars"] + found["unflagged_chars"]
        notes.append(f"{kind.__name__} {characters}")
        worst = max(worst, characters)
    return worst, ", ".join(notes)
