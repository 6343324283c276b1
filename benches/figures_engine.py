"""Prints one line a promised figure of our own engine: `figure engine.NAME VALUE UNIT BAR ok|short`.

ROUNDS (3) paired rounds; ROOMS_S (120) seconds of live rooms; MEMORY_S (10800) seconds of the long recording. `figures_engine.py NAME ...` measures those rows alone.
"""

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys

import figures
import measure
import sounds
from figures import ROUNDS, paired

NOTHING_SAID_S = 600
MEETING_S = 351
MEMORY_S = int(os.environ.get("MEMORY_S", "10800"))
NATIVE = ("--engine", "native")

say = functools.partial(figures.say, "engine")
guarded = functools.partial(figures.guarded, "engine")


def at_most(name, value, unit, bar, note="", met=True):
    say(name, value, unit, f"<={bar}", value <= bar and met, note)


def against_beam():
    ratio, ours, peers, _ = paired("beam5", "accurate")
    note = f"CER ours {ours:.2f} %, peer {peers:.2f} %"
    at_most("cpu_vs_peer_beam5", ratio, "ratio", 0.25, note)
    at_most("cer_accurate", ours, "%", 6.0)


def against_batched():
    ratio, ours, peers, _ = paired("batched8", "accurate")
    note = f"preset accurate, CER ours {ours:.2f} %, peer {peers:.2f} %"
    at_most("cpu_vs_peer_batched8_greedy", ratio, "ratio", 0.5, note)
    at_most("cer_vs_peer_batched8_greedy", ours, "%", 8.2)
    ratio, ours, _, _ = paired("batched8", "fast")
    say("cpu_fast_vs_peer_batched8_greedy", ratio, "ratio", "-", True, f"preset fast, CER ours {ours:.2f} %")


def wall():
    runs = [measure.ours(measure.MEETING, measure.scratch("wall.json"), "--preset", "accurate") for _ in range(ROUNDS)]
    wall_s = statistics.median(run["wall_s"] for run in runs)
    note = f"{statistics.median(run['cpu_s'] for run in runs):.1f} CPU s"
    at_most("wall_dev_accurate_s", wall_s, "s", 5, note)
    base = next(model for model in bench()["models"] if model["model"] == "base")
    estimate = base["hour_s"] * MEETING_S / 3600
    note = f"what model bench foretells against what was measured, {estimate:.1f} s"
    say("bench_estimate_vs_wall", estimate / wall_s, "ratio", "-", True, note)


def bench(*options):
    """What `gijiroku model bench` measures."""
    command = [measure.OURS, "model", "bench", "--format", "json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=measure.ROOT).stdout)


def encoder(shape, name, bar):
    runs = [bench("--shape", shape, "--precision", "bf16", "--threads", "2") for _ in range(ROUNDS)]
    best = statistics.median(run["encoder_30s_s"] for run in runs)
    share = statistics.median(run["encoder_share_of_peak"] for run in runs)
    at_most(name, best, "s", bar, f"{runs[0]['level']}, {100 * share:.0f} % of the measured peak, 2 threads")


def decoder():
    """Reported, without a bar: how far the decoder is from the speed of the memory."""
    run = bench("--shape", "base")
    alone, batch = run["decoder_alone_tokens_per_s"], run["decoder_batch_tokens_per_s"]
    share = 100 * run["decoder_alone_share_of_memory_bound"]
    say("decoder_base_alone", alone, "tokens/s", "-", True, f"{share:.0f} % of the memory bound, 1 thread")
    share = 100 * run["decoder_batch_share_of_memory_bound"]
    say("decoder_base_8x5", batch, "tokens/s", "-", True, f"{share:.0f} % of the memory bound")


def rooms():
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", "rooms"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=measure.ROOT).stdout
    line = next(line for line in told.splitlines() if line.startswith("rooms "))
    fields = dict(part.split("=") for part in line.split()[1:])
    lost, latest = int(fields["lost"]), float(fields["p95_s"])
    note = f"p50 {fields['p50_s']}, max {fields['max_s']} s, {fields['finals']} finals, {lost} lost, batch beside"
    at_most("live_rooms_3_final_p95", latest, "s", 1.5, note, met=lost == 0)


def memory():
    if not shutil.which("ffmpeg"):
        raise RuntimeError("ffmpeg is needed to make the 3-hour recording: apt-get install ffmpeg")
    path, out = measure.scratch(f"meeting_{MEMORY_S}_s.ogg"), measure.scratch(f"meeting_{MEMORY_S}_s.json")
    if not os.path.exists(path):
        sounds.again_and_again(path + ".part.ogg", measure.MEETING, MEMORY_S)
        os.rename(path + ".part.ogg", path)
    run = measure.ours(path, out)
    note = f"all processes; {MEMORY_S} s in which somebody always speaks took {run['wall_s']:.0f} s, {run['cpu_s']:.0f} CPU s"
    at_most("memory_3_hours", run["peak_mb"], "MB", 700, note)


def with_environment(out, *options, **variables):
    """Our own engine with the level or number format forced."""
    command = ["env", *(f"{name}={value}" for name, value in variables.items())]
    return measure.run([*command, measure.OURS, "transcribe", measure.MEETING, "-o", out, *NATIVE, *options])


def avx2():
    out, other = measure.scratch("avx2.json"), measure.scratch("whisper_cpp.json")
    ours, others = figures.in_turn(
        lambda: with_environment(out, GIJIROKU_LEVEL="avx2"),
        lambda: measure.ours(measure.MEETING, other, "--engine", "whisper"),
    )
    rates = [figures.error_rate(measure.evaluate(path)) for path in (out, other)]
    note = f"CER ours {rates[0]:.2f} %, whisper.cpp on all its instructions {rates[1]:.2f} %"
    at_most("avx2_vs_whisper_cpp", figures.ratio(ours, others), "ratio", 0.7, note)


def precisions():
    """Reported, without a bar: what rounding costs; the same windows and presets."""
    rates = {}
    for precision in ("f32", "bf16", "weights8", "int8"):
        out = measure.scratch(f"{precision}.json")
        cpu_s = with_environment(out, GIJIROKU_PRECISION=precision)["cpu_s"]
        rates[precision] = figures.error_rate(measure.evaluate(out)), cpu_s
    reference = f"f32 {rates['f32'][0]:.2f} % in {rates['f32'][1]:.1f} CPU s"
    for precision in ("bf16", "weights8", "int8"):
        rate, cpu_s = rates[precision]
        say(f"{precision}_cer", rate, "%", "-", True, f"{cpu_s:.1f} CPU s; {reference}")


def nothing_said():
    worst, notes = figures.invented(NOTHING_SAID_S)
    say("invented_in_silence", worst, "characters", "0", worst == 0, notes)


ROWS = [
    (against_beam, ("cpu_vs_peer_beam5", "ratio", "<=0.25"), ("cer_accurate", "%", "<=6.0")),
    (against_batched, ("cpu_vs_peer_batched8_greedy", "ratio", "<=0.5"), ("cer_vs_peer_batched8_greedy", "%", "<=8.2")),
    (wall, ("wall_dev_accurate_s", "s", "<=5"), ("bench_estimate_vs_wall", "ratio", "-")),
    (functools.partial(encoder, "base", "encoder_base_30s", 0.16), ("encoder_base_30s", "s", "<=0.16")),
    (
        functools.partial(encoder, "large-v3-turbo", "encoder_turbo_30s", 3.6),
        ("encoder_turbo_30s", "s", "<=3.6"),
    ),
    (decoder, ("decoder_base_alone", "tokens/s", "-"), ("decoder_base_8x5", "tokens/s", "-")),
    (rooms, ("live_rooms_3_final_p95", "s", "<=1.5")),
    (memory, ("memory_3_hours", "MB", "<=700")),
    (avx2, ("avx2_vs_whisper_cpp", "ratio", "<=0.7")),
    (precisions, ("bf16_cer", "%", "-"), ("weights8_cer", "%", "-"), ("int8_cer", "%", "-")),
    (nothing_said, ("invented_in_silence", "characters", "0")),
]


def main():
    wanted = sys.argv[1:]
    print(f"# {measure.machine()}, {ROUNDS} paired rounds")
    for measurement, *rows in ROWS:
        if not wanted or any(name in wanted for name, _, _ in rows):
            guarded(measurement, *rows)


if __name__ == "__main__":
    main()
