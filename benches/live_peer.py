"""Replays a recording in real time to WhisperLiveKit and writes what its screen showed, and when.

usage: live_peer.py AUDIO SECONDS OUT.json MODEL_DIR POLICY    (run by the peer's own python; POLICY: simulstreaming, localagreement)

Writes {"text", "steps": [[ms, settled characters, tentative text]], "cpu_s", "peak_mb"}; 0 ms is when the first sample
was spoken. Its server is a process of its own; the sound comes in frames of 100 ms, as for ours.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time

from faster_whisper.audio import decode_audio
from websockets.asyncio.client import connect

FRAME_S = 0.1
RATE = 16_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def usage(pid):
    """CPU seconds and peak memory in MB of a process. Source: proc(5)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak / 1024


async def opened(url, server):
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            return await connect(url, max_size=None)
        except OSError:
            await asyncio.sleep(0.5)
    raise RuntimeError("the server does not answer")


async def listen(peer, begin, steps):
    async for message in peer:
        told = json.loads(message)
        if told.get("type") == "ready_to_stop":
            return
        if "lines" not in told:
            continue
        settled = "".join(line.get("text") or "" for line in told["lines"])
        steps.append((round(1_000 * (time.monotonic() - begin)), settled, told.get("buffer_transcription") or ""))


async def replay(audio, seconds, url, server):
    sound = decode_audio(audio, sampling_rate=RATE)
    if seconds:
        sound = sound[: seconds * RATE]
    pcm = (sound * 32_767).astype("<i2").tobytes()
    frame = int(FRAME_S * RATE) * 2
    peer = await opened(url, server)
    steps, begin, used = [], time.monotonic(), usage(server.pid)[0]
    listener = asyncio.create_task(listen(peer, begin, steps))
    for index, start in enumerate(range(0, len(pcm), frame)):
        # A frame is sent when its last sample has been spoken.
        await asyncio.sleep(max(0, begin + (index + 1) * FRAME_S - time.monotonic()))
        await peer.send(pcm[start : start + frame])
    await peer.send(b"")
    try:
        await asyncio.wait_for(listener, 60)
    except TimeoutError:
        pass
    cpu, peak = usage(server.pid)
    return steps, cpu - used, peak


def main():
    audio, seconds, out, weights, policy = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]
    port = free_port()
    command = [sys.executable, "-m", "whisperlivekit.basic_server", "--port", str(port), "--pcm-input", "--lan", "ja"]
    command += ["--model_dir", weights, "--backend", "faster-whisper", "--backend-policy", policy, "--warmup-file", ""]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with open(out + ".log", "w", encoding="utf-8") as log:
        server = subprocess.Popen(command + ["--log-level", "WARNING"], stdout=log, stderr=log, env=environment)
        try:
            steps, cpu_s, peak_mb = asyncio.run(replay(audio, seconds, f"ws://127.0.0.1:{port}/asr", server))
        finally:
            server.terminate()
            server.wait(30)
    text = steps[-1][1] + steps[-1][2] if steps else ""
    rows = [[at, len(settled), tentative] for at, settled, tentative in steps]
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"text": text, "steps": rows, "cpu_s": cpu_s, "peak_mb": peak_mb}, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
