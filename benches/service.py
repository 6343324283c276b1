"""A running server for measurements: started on loopback in a folder of its own, stopped at the end."""

import http.cookiejar
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import measure

PASSWORD = "a password for figures only"
READY_S = 60
UTTERANCES = 4000


class Server:
    """`gijiroku serve` with its first administrator signed in."""

    def __init__(self, prepare=None, **environment):
        self.folder = tempfile.mkdtemp(prefix="gijiroku-figures-")
        settings = os.path.join(self.folder, "gijiroku.toml")
        with open(settings, "w", encoding="utf-8") as file:
            file.write("# the defaults are what is measured\n")
        if prepare:
            prepare(self.folder, settings)
        command = [measure.OURS, "serve", "--config", settings, "--data", os.path.join(self.folder, "data")]
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            cwd=measure.ROOT,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **environment},
            text=True,
        )
        told = self._told(2)
        self.url = re.search(r"(http://127\.0\.0\.1:\d+)", told).group(1)
        secret = re.search(r"/setup#([0-9a-f]+)", told).group(1)
        jar = http.cookiejar.CookieJar()
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar))
        self.opener = urllib.request.build_opener(*handlers)
        self.csrf = ""
        person = {"department": "企画課", "login": "figures", "name": "計測", "password": PASSWORD}
        self.csrf = self.post("/v1/setup", {"secret": secret, **person})["csrf"]

    def _told(self, lines):
        end, told = time.monotonic() + READY_S, ""
        while told.count("\n") < lines and time.monotonic() < end:
            told += self.process.stdout.readline()
        return told

    def call(self, method, path, body=None, kind="application/json"):
        """One request; JSON back."""
        request = urllib.request.Request(self.url + path, data=body, method=method)
        if body is not None:
            request.add_header("content-type", kind)
        if self.csrf:
            request.add_header("x-csrf-token", self.csrf)
        try:
            with self.opener.open(request, timeout=600) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error
        return json.loads(text) if text[:1] in (b"{", b"[") else text

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, value):
        return self.call("POST", path, json.dumps(value).encode())

    def upload(self, path, title):
        """Brings a recording by a form, as scripts do."""
        border = uuid.uuid4().hex
        head = (
            f'--{border}\r\nContent-Disposition: form-data; name="title"\r\n\r\n{title}\r\n'
            f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{os.path.basename(path)}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        with open(path, "rb") as file:
            body = head.encode() + file.read() + f"\r\n--{border}--\r\n".encode()
        return self.call("POST", "/v1/recordings", body, f"multipart/form-data; boundary={border}")

    def recognised(self, job, timeout_s=1800):
        """Waits for a job; returns it."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            found = self.get(f"/v1/jobs/{job}")
            if found["state"] not in ("waiting", "running"):
                return found
            time.sleep(0.2)
        raise RuntimeError(f"job {job} did not end")

    def long_meeting(self):
        """A meeting of four hours with minutes of 4,000 utterances; returns its name."""
        made = self.post("/v1/meetings", {"title": "四時間の会議"})
        self.post(f"/v1/meetings/{made['id']}/minutes", four_hours())
        return made["id"]

    def token(self, name, *scopes):
        """A token for a program."""
        expires_at = int(time.time() * 1000) + 30 * 86_400_000
        return self.post("/v1/tokens", {"name": name, "scopes": list(scopes), "expires_at": expires_at})["secret"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def four_hours():
    """Minutes of 4,000 utterances in four hours, every word with its time."""
    text = "議事録の作成に要する時間を減らす。"
    blocks = []
    for index in range(UTTERANCES):
        start = index * 3600
        words = [
            {"start_ms": start + 180 * place, "end_ms": start + 180 * place + 170, "text": word, "confidence": 0.9}
            for place, word in enumerate(text)
        ]
        blocks.append(
            {
                "kind": "utterance", "id": index + 1, "speaker": index % 5 + 1, "start_ms": start,
                "end_ms": start + 3400, "text": text, "words": words, "confidence": 0.9,
            }
        )
    speakers = [{"id": number, "name": f"話者{number}"} for number in range(1, 6)]
    minutes = {"version": 1, "header": {"title": "四時間の会議"}, "speakers": speakers, "blocks": blocks, "items": []}
    return {"format": "gijiroku-minutes", "version": 1, "minutes": minutes}
