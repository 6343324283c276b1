"""The official client of OpenAI's API streams a recording here and reads what was said: turns found by the server, then
an item of its own making.

Arguments: the address of the server, a token, a recording of 24 kHz. Prints what it was told as one line of JSON.
"""

import base64
import json
import sys
import wave

from openai import OpenAI

address, token, recording = sys.argv[1:]
client = OpenAI(base_url=f"{address}/v1", websocket_base_url=f"{address.replace('http', 'ws', 1)}/v1", api_key=token)
with wave.open(recording) as file:
    sound = file.readframes(file.getnframes())
COMPLETED = "conversation.item.input_audio_transcription.completed"


def session(turns):
    audio = {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": {"model": "base", "language": "ja"}}
    return {"type": "transcription", "audio": {"input": {**audio, "turn_detection": turns}}}


def talk(turns):
    told = {"types": [], "delta": "", "transcripts": []}
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        connection.session.update(session=session(turns))
        for start in range(0, len(sound), 48000):
            piece = base64.b64encode(sound[start : start + 48000]).decode()
            connection.input_audio_buffer.append(audio=piece)
        if turns is None:
            connection.input_audio_buffer.commit()
        for event in connection:
            told["types"].append(event.type)
            if event.type == "error" and event.error.code not in ("no_room", "no_seat"):
                raise SystemExit(event.error.message)
            if event.type.endswith("transcription.delta"):
                told["delta"] += event.delta
            if event.type == COMPLETED:
                told["transcripts"].append(event.transcript)
                if turns is None or len(told["transcripts"]) >= 2:
                    return told


print(json.dumps({"turns": talk({"type": "server_vad"}), "item": talk(None)}))
