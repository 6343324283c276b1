"""Prints one line a promised figure: `figure transcribe.NAME VALUE UNIT BAR ok|short`."""

import os
import shutil
import statistics
import subprocess
import sys
import traceback

import measure
import sounds

ROUNDS = int(os.environ.get("ROUNDS", "3"))
NOTHING_SAID_S = 600


def say(name, value, unit, bar, good, note=""):
    shown = "none" if value is None else f"{value:.2f}"
    print(f"figure transcribe.{name} {shown} {unit} {bar} {'ok' if good else 'short'}{'  # ' + note if note else ''}")
    sys.stdout.flush()


def guarded(measurement, *rows):
    """A row that could not be measured says so; the others go on."""
    try:
        measurement()
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the row's answer
        traceback.print_exc(file=sys.stderr)
        reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
        for name, unit, bar in rows:
            say(name, None, unit, bar, False, reason)


def paired(mode, preset, *options):
    """Ours and the peer in turn; returns the median ratio of CPU seconds and both error rates in percent."""
    ratios, rates = [], {}
    for turn in range(ROUNDS):
        our_out, peer_out = measure.scratch(f"{preset}.json"), measure.scratch(f"{mode}.json")
        both = [
            lambda: measure.ours(measure.MEETING, our_out, "--preset", preset, *options),
            lambda: measure.peer(measure.MEETING, peer_out, mode),
        ]
        if turn % 2:
            peer, our = both[1](), both[0]()
        else:
            our, peer = both[0](), both[1]()
        ratios.append(our["cpu_s"] / peer["cpu_s"])
        rates = {"ours": measure.evaluate(our_out), "peer": measure.evaluate(peer_out)}
    ours, peers = (100 * rates[who]["normalised"]["rate"] for who in ("ours", "peer"))
    return statistics.median(ratios), ours, peers, rates["ours"]


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
    worst, notes = 0, []
    for kind in (sounds.silence, sounds.room_noise, sounds.music):
        path, out = measure.scratch(f"{kind.__name__}.wav"), measure.scratch(f"{kind.__name__}.json")
        sounds.write(path, kind(NOTHING_SAID_S))
        measure.ours(path, out)
        truth = measure.scratch("nobody.json")
        with open(truth, "w", encoding="utf-8") as file:
            file.write(f'{{"duration": {NOTHING_SAID_S}, "segments": []}}')
        invented = measure.evaluate(out, truth)["invented"]
        chars = invented["flagged_chars"] + invented["unflagged_chars"]
        notes.append(f"{kind.__name__} {chars}")
        worst = max(worst, chars)
    say("invented_in_10_min", worst, "characters", "0", worst == 0, ", ".join(notes))


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
