"""What a live meeting loses when something breaks: one real server, one microphone in real time, one fault.

    python3 benches/live_faults.py server_killed | engine_killed | network_cut | client_killed

Prints one line of JSON: `lost_s`, seconds of sound that the microphone heard and the recording lacks or has otherwise (for a
client that is killed: what it had heard until then); `note` says what was done. Loopback only; ends by itself.
"""

import base64
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
import zlib

import measure
import service

RATE_HZ = 16_000
FRAME = RATE_HZ // 10
KILL_AT_S = 6
CUT_S = 60


class Socket:
    """A WebSocket, as much of RFC 6455 as a microphone needs."""

    def __init__(self, port, path, token):
        self.line = socket.create_connection(("127.0.0.1", port), timeout=15)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {token}",
        ]
        self.line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.splitlines()[0]:
            raise ConnectionError(head.splitlines()[0].decode())

    def _more(self):
        data = self.line.recv(65536)
        if not data:
            raise ConnectionError("closed")
        return data

    def _take(self, count):
        while len(self.rest) < count:
            self.rest += self._more()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def send(self, data, kind=2):
        mask = os.urandom(4)
        length = len(data)
        head = struct.pack("!BB", 0x80 | kind, 0x80 | length) if length < 126 else (
            struct.pack("!BBH", 0x80 | kind, 0x80 | 126, length) if length < 65536 else
            struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, length)
        )
        whole = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(whole, "big")).to_bytes(length, "big")
        self.line.sendall(head + mask + masked)

    def say(self, value):
        self.send(json.dumps(value).encode(), 1)

    def hear(self):
        """The next text message."""
        while True:
            first, second = self._take(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._take(8))
            data, kind = self._take(length), first & 0x0F
            if kind == 9:
                self.send(data, 10)
            elif kind == 8:
                raise ConnectionError("closed by the server")
            elif kind == 1:
                return json.loads(data)


class Microphone:
    """Hears in real time, keeps what is not stored, connects again after every break."""

    def __init__(self, port, live, token, sound):
        self.place = (port, f"/v1/live/{live}/record", token)
        self.sound, self.name, self.stored, self.breaks = sound, str(uuid.uuid4()), 0, 0
        self.began = time.monotonic()
        self.over = False

    def heard(self):
        return min(int((time.monotonic() - self.began) * RATE_HZ), len(self.sound) // 2)

    def run(self):
        while not self.over:
            try:
                self.connection()
            except (OSError, ConnectionError):
                self.breaks += 1
                time.sleep(0.3)

    def connection(self):
        line = Socket(*self.place)
        line.say({"type": "hello", "stream": self.name, "rate_hz": RATE_HZ, "protocol": 1})
        said = line.hear()
        while said["type"] != "welcome":
            said = line.hear()
        self.stored = sent = said["stored"]
        resend = [None]
        ends = threading.Thread(target=self.listen, args=(line, resend), daemon=True)
        ends.start()
        number, total = 0, len(self.sound) // 2
        while ends.is_alive():
            if resend[0] is not None:
                sent, resend[0] = resend[0], None
            if sent + FRAME > self.heard() and self.heard() < total:
                time.sleep(0.02)
                continue
            if sent >= total:
                line.say({"type": "end", "samples": total})
                ends.join(20)
                return
            line.send(frame(number, sent, self.sound[2 * sent : 2 * (sent + FRAME)]))
            number, sent = number + 1, min(sent + FRAME, total)
        raise ConnectionError("the line broke")

    def listen(self, line, resend):
        try:
            while True:
                said = line.hear()
                if said["type"] == "stored":
                    self.stored = said["samples"]
                elif said["type"] == "resend":
                    resend[0] = said["from"]
                elif said["type"] == "ended":
                    self.over = True
                    return
        except (OSError, ConnectionError):
            return


def frame(number, first, payload):
    head = struct.pack("<BBHIQI", 1, 0, 0, number, first, len(payload) // 2)
    return head + struct.pack("<I", zlib.crc32(head + payload)) + payload


class Proxy:
    """Passes bytes on between a microphone and the server, until it is cut."""

    def __init__(self, port):
        self.port_there, self.cut, self.lines = port, False, []
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            here, _ = self.door.accept()
            if self.cut:
                here.close()
                continue
            there = socket.create_connection(("127.0.0.1", self.port_there))
            self.lines += [here, there]
            for left, right in ((here, there), (there, here)):
                threading.Thread(target=self.pass_on, args=(left, right), daemon=True).start()

    def pass_on(self, left, right):
        try:
            while data := left.recv(65536):
                if self.cut:
                    break
                right.sendall(data)
        except OSError:
            pass
        for line in (left, right):
            line.close()

    def break_for(self, seconds):
        self.cut = True
        for line in self.lines:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.lines = []
        time.sleep(seconds)
        self.cut = False


class House:
    """The server with a live meeting."""

    def __init__(self):
        self.server = service.Server()
        self.port = int(self.server.url.rsplit(":", 1)[1])
        self.token = self.server.token("room", "read", "write")
        live = self.server.post("/v1/live", {"title": "障害の計測"})
        self.live, self.meeting = live["live"], live["meeting"]

    def kill(self):
        """Kills the server without a word and starts it again on the same port and folder."""
        self.server.process.kill()
        self.server.process.wait()
        command = list(self.server.process.args)
        command[-1] = f"127.0.0.1:{self.port}"
        self.server.process = subprocess.Popen(
            command, cwd=measure.ROOT, stdout=subprocess.PIPE, stderr=self.server.log, text=True
        )
        self.server._told(1)

    def engines(self):
        told = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.server.process.pid)], capture_output=True, text=True)
        return [int(line.split()[0]) for line in told.stdout.splitlines() if re.search(r"\bengine\b", line)]

    def recorded(self):
        """Ends the meeting and returns the sound of its recording."""
        self.server.post(f"/v1/live/{self.live}/end", {})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = self.server.get(f"/v1/meetings/{self.meeting}/recordings")
            if found:
                return self.server.get(f"/v1/recordings/{found[0]['id']}/audio")[44:]
            time.sleep(0.2)
        raise RuntimeError("the meeting never became a recording")


def sound(seconds):
    """The sample meeting's sound, as a microphone hears it."""
    random.seed(7)
    return random.randbytes(2 * RATE_HZ * seconds)


def different_s(heard, recorded):
    """Seconds of what was heard that the recording lacks or has otherwise."""
    same = sum(heard[at : at + 2] == recorded[at : at + 2] for at in range(0, len(heard), 2))
    return (len(heard) // 2 - same) / RATE_HZ


def with_fault(length_s, fault):
    """Records `length_s` seconds while `fault(house, proxy)` happens after a while."""
    house = House()
    try:
        proxy = Proxy(house.port)
        microphone = Microphone(proxy.port, house.live, house.token, sound(length_s))
        running = threading.Thread(target=microphone.run, daemon=True)
        running.start()
        time.sleep(KILL_AT_S)
        note = fault(house, proxy)
        running.join(length_s + 120)
        if running.is_alive():
            raise RuntimeError("the microphone never got rid of its sound")
        lost_s = different_s(microphone.sound, house.recorded())
        return {"lost_s": lost_s, "note": f"{note}; {length_s} s recorded, {microphone.breaks} breaks"}
    finally:
        house.server.stop()


def server_killed():
    def fault(house, _):
        for _ in range(3):
            house.kill()
            time.sleep(3)
        return "the server was killed three times and started again"

    return with_fault(30, fault)


def engine_killed():
    def fault(house, _):
        killed, end = 0, time.monotonic() + 20
        while killed < 2 and time.monotonic() < end:
            for engine in house.engines():
                os.kill(engine, signal.SIGKILL)
                killed += 1
            time.sleep(2)
        if not killed:
            raise RuntimeError("no engine ran: is the model there?")
        return f"the engine was killed {killed} times"

    return with_fault(40, fault)


def network_cut():
    def fault(_, proxy):
        proxy.break_for(CUT_S)
        return f"the network was cut for {CUT_S} s"

    return with_fault(KILL_AT_S + CUT_S + 10, fault)


def client_killed():
    """A client that keeps nothing of its own is killed; it tells each tenth of a second what it has heard."""
    house = House()
    try:
        arguments = [sys.executable, __file__, "--microphone", str(house.port), house.live, house.token]
        client = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        told, end = 0, time.monotonic() + KILL_AT_S
        while time.monotonic() < end:
            told = int(client.stdout.readline())
        client.kill()
        client.wait()
        # What it never said is waited for for some seconds only.
        lost_s = different_s(sound(60)[: 2 * told], house.recorded())
        return {"lost_s": lost_s, "note": f"a client without a memory of its own was killed after {told / RATE_HZ:.1f} s"}
    finally:
        house.server.stop()


def only_microphone(port, live, token):
    microphone = Microphone(int(port), live, token, sound(60))
    microphone.name = str(uuid.UUID(int=1))
    threading.Thread(target=microphone.run, daemon=True).start()
    while True:
        print(microphone.heard(), flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "--microphone":
        only_microphone(*sys.argv[2:])
    else:
        faults = {fault.__name__: fault for fault in (server_killed, engine_killed, network_cut, client_killed)}
        print(json.dumps(faults[sys.argv[1]](), ensure_ascii=False))
