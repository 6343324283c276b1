"""The official client of OpenAI's API transcribes a recording here: every format, and the text as it comes.

Arguments: the address of the server, a token, a recording. Prints what it was told as one line of JSON.
"""

import json
import sys

from openai import NotFoundError, OpenAI, PermissionDeniedError, UnprocessableEntityError

address, token, recording = sys.argv[1:]
client = OpenAI(base_url=f"{address}/v1", api_key=token, max_retries=0)


def transcribe(**how):
    with open(recording, "rb") as file:
        return client.audio.transcriptions.create(model="base", file=file, language="ja", **how)


told = {"json": transcribe().text}
for name in ("text", "srt", "vtt"):
    told[name] = transcribe(response_format=name)
verbose = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
told["verbose"] = {
    "text": verbose.text,
    "language": verbose.language,
    "duration": verbose.duration,
    "segments": [[segment.start, segment.end, segment.text] for segment in verbose.segments],
    "words": [[word.start, word.end, word.word] for word in verbose.words or []],
}
told["stream"] = [[event.type, getattr(event, "delta", None) or getattr(event, "text", None)] for event in transcribe(stream=True)]
told["refused"] = {}
for name, refusal, how in (
    ("format", UnprocessableEntityError, {"response_format": "docx"}),
):
    try:
        transcribe(**how)
    except refusal as error:
        told["refused"][name] = error.body
try:
    OpenAI(base_url=f"{address}/v1", api_key="gk_nobody", max_retries=0).models.list()
except (NotFoundError, PermissionDeniedError) as error:
    told["refused"]["models"] = error.status_code
except Exception as error:
    told["refused"]["models"] = type(error).__name__
print(json.dumps(told, ensure_ascii=False))
