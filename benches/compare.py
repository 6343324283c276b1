"""Prints a table: ours and the peer's on the same audio in turn, medians over the rounds, and the ratio pair by pair."""

import statistics
import sys

import measure

PEERS = ["beam5", "greedy", "batched-greedy"]
OURS = {
    "gijiroku accurate": ["--preset", "accurate"],
    "gijiroku fast": ["--preset", "fast"],
    "gijiroku accurate, whisper.cpp": ["--preset", "accurate", "--engine", "whisper"],
    "gijiroku fast, whisper.cpp": ["--preset", "fast", "--engine", "whisper"],
}


def main():
    rounds = int(sys.argv[1])
    results = {}
    for turn in range(rounds):
        runs = [(f"faster-whisper int8 {mode}", mode, None) for mode in PEERS]
        runs += [(name, None, options) for name, options in OURS.items()]
        # A B B A: a machine that gets slower favours nobody.
        for name, mode, options in runs if turn % 2 == 0 else reversed(runs):
            out = measure.scratch(name.replace(" ", "_").replace(",", "") + ".json")
            if mode:
                run = measure.peer(measure.MEETING, out, mode)
            else:
                run = measure.ours(measure.MEETING, out, *options)
            results.setdefault(name, []).append(run | {"out": out})
            print(f"round {turn + 1}: {name}: {run['cpu_s']:.1f} CPU s, {run['wall_s']:.1f} s", file=sys.stderr)
    report(results, rounds)


def report(results, rounds):
    print(f"{measure.machine()}, median of {rounds} rounds, sample meeting (351 s), Whisper base\n")
    print("| system | CPU s | wall s | peak MB | CER normalised % | CPU against peer beam 5 | against peer greedy |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        median = {key: statistics.median(run[key] for run in runs) for key in ("cpu_s", "wall_s", "peak_mb")}
        rate = measure.evaluate(runs[-1]["out"])["normalised"]["rate"]
        ratios = [ratio(runs, results[f"faster-whisper int8 {mode}"]) for mode in ("beam5", "greedy")]
        print(
            f"| {name} | {median['cpu_s']:.1f} | {median['wall_s']:.1f} | {median['peak_mb']:.0f} "
            f"| {100 * rate:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
        )


def ratio(runs, peers):
    return statistics.median(a["cpu_s"] / b["cpu_s"] for a, b in zip(runs, peers))


if __name__ == "__main__":
    main()
