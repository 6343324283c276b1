"""Prints one line a promised figure: `figure transcribe.NAME VALUE UNIT BAR ok|short`."""

import functools
import os
import shutil
import subprocess

import figures
import measure
import sounds
from figures import ROUNDS, paired

NOTHING_SAID_S = 600

say = functools.partial(figures.say, "transcribe")
guarded = functools.partial(figures.guarded, "transcribe")


def against_beam():
    ratio, ours, peers, scores = paired("beam5", "accurate")
    say("cer_normalised", ours, "%", "<=7.5", ours <= 7.5)
    say("cpu_vs_peer_beam5", ratio, "ratio", "<=0.75", ratio <= 0.75, f"CER ours {ours:.2f} %, peer {peers:.2f} %")
    median = scores["start_errors"]["median_ms"] / 1000
    say("word_start_error_median", median, "s", "<=0.30", median <= 0.30)


def against_greedy():
    ratio, ours, peers, _ = paired("greedy", "accurate")
    good = ratio <= 1.1 and ours <= peers
    say("cpu_vs_peer_greedy", ratio, "ratio", "<=1.1", good, f"CER ours {ours:.2f} %, peer {peers:.2f} %")


def whisper_alone():
    """The same two comparisons with whisper.cpp computing, as on a processor our own engine is not made for."""
    for mode, bar in (("beam5", 0.75), ("greedy", 1.1)):
        ratio, ours, peers, _ = paired(mode, "accurate", "--engine", "whisper")
        note = f"CER ours {ours:.2f} %, peer {peers:.2f} %"
        say(f"whisper_cpp_cpu_vs_peer_{mode}", ratio, "ratio", f"<={bar}", ratio <= bar, note)


def nothing_said():
    worst, notes = figures.invented(NOTHING_SAID_S)
    say("invented_in_10_min", worst, "characters", "0", worst == 0, notes)


def overhead():
    """Everything but inference runs in the parent process, inference in its child: CPU of the one against both."""
    out = measure.scratch("overhead.json")
    command = [measure.OURS, "transcribe", measure.MEETING, "-o", out, "--timings"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=measure.ROOT).stderr
    fields = dict(part.split("=") for line in told.splitlines() if line.startswith("timings ") for part in line.split()[1:])
    share = 100 * float(fields["parent_cpu_s"]) / (float(fields["parent_cpu_s"]) + float(fields["engine_cpu_s"]))
    say("overhead_share", share, "%", "<=5", share <= 5)


def memory():
    if not shutil.which("ffmpeg"):
        raise RuntimeError("ffmpeg is needed to make the 8-hour recording: apt-get install ffmpeg")
    path, out = measure.scratch("eight_hours.ogg"), measure.scratch("eight_hours.json")
    if not os.path.exists(path):
        sounds.eight_hours(path + ".part.ogg", measure.MEETING)
        os.rename(path + ".part.ogg", path)
    peak = measure.ours(path, out)["peak_mb"]
    say("memory_8_hours", peak, "MB", "<=900", peak <= 900, "all processes; 47 min of speech in 8 h")


def main():
    print(f"# {measure.machine()}, {ROUNDS} paired rounds")
    guarded(
        against_beam,
        ("cer_normalised", "%", "<=7.5"),
        ("cpu_vs_peer_beam5", "ratio", "<=0.75"),
        ("word_start_error_median", "s", "<=0.30"),
    )
    guarded(against_greedy, ("cpu_vs_peer_greedy", "ratio", "<=1.1"))
    guarded(whisper_alone, ("whisper_cpp_cpu_vs_peer", "ratio", "<=0.75"))
    guarded(nothing_said, ("invented_in_10_min", "characters", "0"))
    guarded(overhead, ("overhead_share", "%", "<=5"))
    guarded(memory, ("memory_8_hours", "MB", "<=900"))


if __name__ == "__main__":
    main()
