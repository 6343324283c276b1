"""Transcribes one recording with faster-whisper and writes [{"start","end","text"}] in seconds.

usage: peer.py AUDIO OUT.json beam5|greedy|batched-greedy|batched8 MODEL_DIR

batched8 is another name of batched-greedy: windows of the peer's own speech detector, eight at a time.
"""

import json
import sys

from faster_whisper import BatchedInferencePipeline, WhisperModel

audio, out, mode, weights = sys.argv[1:5]
model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=2)
beam = 5 if mode.endswith("beam5") else 1
if mode.startswith("batched"):
    pipeline = BatchedInferencePipeline(model)
    segments, _ = pipeline.transcribe(audio, language="ja", beam_size=beam, batch_size=8)
else:
    segments, _ = model.transcribe(audio, language="ja", beam_size=beam)
rows = [{"start": s.start, "end": s.end, "text": s.text} for s in segments]
with open(out, "w", encoding="utf-8") as file:
    json.dump(rows, file, ensure_ascii=False)
