"""Makes sound in which nobody speaks, and long recordings, from nothing but arithmetic and the sample meeting."""

import array
import math
import random
import subprocess
import wave

RATE = 16_000


def write(path, samples):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array.array("h", (max(-32767, min(32767, int(s * 32767))) for s in samples)).tobytes())


def silence(seconds):
    """Digital silence."""
    return (0.0 for _ in range(seconds * RATE))


def room_noise(seconds, seed=1):
    """Air-conditioning and a fan: brown noise, 50 Hz hum with harmonics, and a click now and then."""
    source, brown = random.Random(seed), 0.0
    for index in range(seconds * RATE):
        brown = 0.995 * brown + 0.02 * source.uniform(-1, 1)
        time = index / RATE
        hum = 0.004 * math.sin(2 * math.pi * 50 * time) + 0.002 * math.sin(2 * math.pi * 150 * time)
        click = source.uniform(-0.3, 0.3) if source.random() < 2e-5 else 0.0
        yield 0.25 * brown + hum + click + 0.003 * source.uniform(-1, 1)


def music(seconds, seed=1):
    """Music on hold: a slow chord progression with a melody of plucked tones, eight beats a chord."""
    source = random.Random(seed)
    chords = [(220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (196.0, 246.9, 329.6)]
    beat, melody = RATE // 2, 440.0
    for index in range(seconds * RATE):
        if index % beat == 0:
            chord = chords[index // (8 * beat) % len(chords)]
            melody = source.choice(chord) * source.choice((1, 2, 2, 3))
        time, within = index / RATE, (index % beat) / beat
        pad = sum(math.sin(2 * math.pi * tone * time) for tone in chord) * 0.08
        pluck = math.exp(-4 * within) * sum(
            math.sin(2 * math.pi * melody * harmonic * time) / harmonic for harmonic in (1, 2, 3)
        )
        yield pad + 0.15 * pluck


def eight_hours(path, meeting):
    """The sample meeting at the start of each of eight hours, the rest of the hour silent; Ogg Opus, by ffmpeg."""
    graph = "[0:a]aresample=16000,apad=whole_dur=3600[hour];[hour]aloop=loop=7:size=57600000[out]"
    command = ["ffmpeg", "-v", "error", "-y", "-i", meeting, "-filter_complex", graph, "-map", "[out]"]
    subprocess.run([*command, "-t", "28800", "-c:a", "libopus", "-b:a", "24k", path], check=True)


def again_and_again(path, meeting, seconds):
    """The sample meeting over and over: somebody always speaks; Ogg Opus, by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-y", "-stream_loop", "-1", "-i", meeting, "-t", str(seconds), "-ar", "16000"]
    subprocess.run([*command, "-c:a", "libopus", "-b:a", "24k", path], check=True)
