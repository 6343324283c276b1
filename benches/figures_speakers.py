"""Prints one line a promised figure of speakers: `figure speakers.NAME VALUE UNIT BAR ok|short`.

EVAL names the folder of evaluation recordings. `figures_speakers.py NAME ...` measures those rows alone.
"""

import functools
import glob
import json
import os
import re
import statistics
import subprocess
import sys

import figures
import measure

EVAL = os.environ.get("EVAL", os.path.join(measure.ROOT, "../shared/eval"))
MEETING_SPEAKERS = 5
ENROLLED_S = 20
LINE = re.compile(
    r"DER ([\d.]+) %  missed ([\d.]+) %  false alarm ([\d.]+) %  confused ([\d.]+) %  speakers (\d+) of (\d+)"
)

say = functools.partial(figures.say, "speakers")
guarded = functools.partial(figures.guarded, "speakers")


def scratch(name):
    os.makedirs(measure.SCRATCH, exist_ok=True)
    return os.path.join(measure.SCRATCH, name)


def rttm(name, turns):
    """Writes (speaker, start, end) in seconds; returns the path."""
    path = scratch(name)
    lines = [f"SPEAKER x 1 {start:.3f} {end - start:.3f} <NA> <NA> {who} <NA> <NA>\n" for who, start, end in turns]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path


def truth():
    with open(measure.TRUTH, encoding="utf-8") as file:
        return [(one["speaker"], one["start"], one["end"]) for one in json.load(file)["segments"]]


def told(audio, *options):
    command = [measure.OURS, "speakers", audio, *options]
    done = subprocess.run(command, cwd=measure.ROOT, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-200:] or f"gijiroku ended with {done.returncode}")
    return done.stdout


@functools.cache
def errors(audio, path, *options):
    """(DER, missed, false alarm, confused, speakers found, speakers there)."""
    found = LINE.search(told(audio, "--truth", path, *options))
    return tuple(float(value) for value in found.groups())


def meeting(*options):
    return errors(measure.MEETING, rttm("meeting.rttm", truth()), *options)


def parts(found):
    return f"missed {found[1]:.1f}, false alarm {found[2]:.1f}, confused {found[3]:.1f}"


def der_meeting_given():
    found = meeting("--speakers", str(MEETING_SPEAKERS))
    say("der_meeting_given", found[0], "%", "<=18", found[0] <= 18, parts(found))


def der_meeting_auto():
    found = meeting()
    say("der_meeting_auto", found[0], "%", "<=22", found[0] <= 22, parts(found))


def count_meeting():
    count = meeting()[4]
    say("count_meeting", count, "speakers", "5+-1", abs(count - MEETING_SPEAKERS) <= 1)


def confused_meeting():
    confused = meeting("--speakers", str(MEETING_SPEAKERS))[3]
    say("confused_meeting", confused, "%", "<14.3", confused < 14.3, "the reference package on the true segments: 14.3")


def der_human():
    """The recordings of people: their median, without and with the number of speakers given."""
    paths = sorted(glob.glob(os.path.join(EVAL, "human", "*.rttm")))
    if not paths:
        raise RuntimeError("the evaluation recordings are not here; EVAL names their folder")
    auto, given = {}, {}
    for path in paths:
        audio, name = path.removesuffix(".rttm") + ".wav", os.path.basename(path).removesuffix(".rttm")
        auto[name] = errors(audio, path)
        given[name] = errors(audio, path, "--speakers", f"{auto[name][5]:.0f}")
        print(f"  {name}: DER {auto[name][0]:.1f} % ({parts(auto[name])}), with the number given {given[name][0]:.1f} %")
    for row, found in [("der_human_median_auto", auto), ("der_human_median_given", given)]:
        value = statistics.median(one[0] for one in found.values())
        say(row, value, "%", "<=25", value <= 25, "30 s each; overlap counted")


def cost():
    seconds = 351.372
    spent = min(measure.run([measure.OURS, "speakers", measure.MEETING])["cpu_s"] for _ in range(3))
    share = 100 * spent / seconds
    say("cost", share, "%_of_real_time", "<=3", share <= 3, f"{spent:.2f} CPU s, decoding and speech detection included")


def naming():
    """Everybody's first seconds are the sample; how much of the rest bears the right name?"""
    samples, rest, heard = [], [], {}
    for who, start, end in truth():
        cut = min(end, start + max(0.0, ENROLLED_S - heard.get(who, 0.0)))
        heard[who] = heard.get(who, 0.0) + cut - start
        samples += [(who, start, cut)] if cut > start else []
        rest += [(who, cut, end)] if end > cut else []
    turns = []
    for line in told(measure.MEETING, "--known", rttm("known.rttm", samples)).splitlines():
        fields = line.split()
        turns.append((fields[7], float(fields[3]), float(fields[3]) + float(fields[4])))
    right = sum(max(0.0, min(end, b) - max(start, a)) for who, start, end in rest for name, a, b in turns if name == who)
    spoken = sum(end - start for _, start, end in rest)
    value = 100 * right / spoken
    say("naming_after_20_s", value, "%", ">=90", value >= 90, f"of {spoken:.0f} s that were no sample")


ROWS = {
    "der_meeting_given": (der_meeting_given, [("der_meeting_given", "%", "<=18")]),
    "der_meeting_auto": (der_meeting_auto, [("der_meeting_auto", "%", "<=22")]),
    "count_meeting": (count_meeting, [("count_meeting", "speakers", "5+-1")]),
    "confused_meeting": (confused_meeting, [("confused_meeting", "%", "<14.3")]),
    "der_human": (der_human, [("der_human_median_auto", "%", "<=25"), ("der_human_median_given", "%", "<=25")]),
    "cost": (cost, [("cost", "%_of_real_time", "<=3")]),
    "naming": (naming, [("naming_after_20_s", "%", ">=90")]),
}


if __name__ == "__main__":
    for name in sys.argv[1:] or ROWS:
        measured, rows = ROWS[name]
        guarded(measured, *rows)
