"""What does the server do with what no client should send?

    wire.py BASE_URL PID CONNECTS

Bad frames, bad session ids, bad requests, and CONNECTS connections that come and go. Each must be
refused by a rule that the answer names, or be kept apart from every other; the connection lives,
and memory and open files of process PID return to where they were. Says JSON lines.
"""

import asyncio
import base64
import json
import os
import pathlib
import sys
import unicodedata

import httpx
import websockets
from websockets.asyncio.client import connect

from client import path
from traffic import say

MIB = 1 << 20
# After thousands of connections, within half a minute: what an allocator keeps, and no more.
RESIDENT_TOLERANCE = 12 * MIB
FILES_TOLERANCE = 4
THREADS_TOLERANCE = 2
SETTLE = 30

FRAMES = [
    ("no JSON", "{nonsense", None),
    ("half a frame", '{"type":"ping"', None),
    ("an empty text", "", None),
    ("an array", "[1,2,3]", None),
    ("a number", "42", None),
    ("a string", '"ping"', None),
    ("null", "null", None),
    ("no type", "{}", None),
    ("a type that is a number", '{"type":7}', None),
    ("an unknown type", '{"type":"dance"}', "unknown-type"),
    ("an unknown field", '{"type":"ping","loud":true}', "unknown-field"),
    ("a session that is a number", '{"type":"subscribe","session":7}', None),
    ("no session", '{"type":"subscribe"}', None),
    ("a seq below nothing", '{"type":"subscribe","session":"x","epoch":"e","seq":-1}', None),
    ("a seq beyond all", '{"type":"subscribe","session":"x","epoch":"e","seq":1e400}', None),
    ("one of two fields twice", '{"type":"ping","n":1,"n":2}', "either"),
    ("nested a hundred thousand deep", "[" * 100_000, None),
    ("binary", b"\x00\x01\xfe\xff", None),
    ("binary that holds JSON", b'{"type":"ping"}', "either"),
]

IDS = [
    ("a/b", True), ("../x", True), ("..", True), (".", True), ("a b", True), ("%2e%2e", True),
    ("%00", True), ("a?b#c", True), ("\\x", True), ("'; drop table sessions; --", True),
    ("ä", True), (unicodedata.normalize("NFD", "ä"), True), ("日本語", True), ("🙂🙃", True),
    ("\u202eright to left", None), ("\u200b", None), ("A", True), ("a", True), ("x" * 256, True),
    ("é" * 128, True), ("é" * 129, False), ("x" * 257, False), ("x" * 10_000, False),
    ("", False), ("\x00", False), ("line\nbreak", False), ("\x7f", False), ("\u0085", False),
]


class Judge:
    """Counts and tells; one check a group."""

    def __init__(self):
        self.found = []
        self.count = 0

    def that(self, good, what):
        self.count += 1
        if not good:
            self.found.append(what)

    def close(self, name, what):
        say(check=name, ok=not self.found and self.count > 0,
            what=f"{what} ({self.count} cases)", found=self.found)
        self.found, self.count = [], 0


async def socket(ws):
    opened = await connect(ws, compression=None, max_size=None, ping_interval=None, proxy=None)
    welcome = json.loads(await opened.recv())
    assert welcome["type"] == "welcome", welcome
    return opened


async def until(opened, kinds):
    """The next frame of one of these types."""
    async with asyncio.timeout(10):
        while True:
            frame = json.loads(await opened.recv())
            if frame["type"] in kinds:
                return frame


async def lives(opened, number):
    await opened.send(json.dumps({"type": "ping", "n": number}))
    while (await until(opened, ["pong"])).get("n") != number:
        pass
    return True


async def frames(ws, judge):
    opened = await socket(ws)
    for number, (name, text, code) in enumerate(FRAMES):
        try:
            await opened.send(text)
            if code != "either":
                error = await until(opened, ["error"])
                named = bool(error.get("detail")) and (code is None or error.get("code") == code)
                judge.that(named, f"{name}: {error}")
            judge.that(await lives(opened, number), f"{name}: no pong")
        except (websockets.ConnectionClosed, TimeoutError) as error:
            judge.that(False, f"{name}: {type(error).__name__} {error}")
            opened = await socket(ws)
    await opened.close()
    judge.close("bad frames", "an error frame names the fault, and the connection lives")


async def ended_or_refused(ws, judge, name, codes, **sending):
    """What a connection may end by; it may also live on after an error."""
    opened = await socket(ws)
    try:
        await opened.send(**sending)
        await until(opened, ["error"])
        judge.that(await lives(opened, 1), f"{name}: refused, and then no pong")
        await opened.close()
    except websockets.ConnectionClosed:
        judge.that(opened.close_code in codes, f"{name}: closed with {opened.close_code}")
    except TimeoutError:
        judge.that(False, f"{name}: neither refused nor closed")


async def large_and_broken(ws, judge):
    text = json.dumps({"type": "submit", "client_msg_id": "1", "session": "x", "input": "y" * MIB})
    await ended_or_refused(ws, judge, "a text of 1 MiB", [1009], message=text)
    await ended_or_refused(ws, judge, "16 MiB", [1009], message="z" * (16 * MIB))
    broken = {"message": b'{"type":"ping\xff\xfe"}', "text": True}
    await ended_or_refused(ws, judge, "invalid UTF-8", [1007], **broken)
    # A connection that says nothing but nonsense is ended at some time.
    opened = await socket(ws)
    try:
        for _ in range(10_000):
            await opened.send("nonsense")
            await until(opened, ["error"])
    except (websockets.ConnectionClosed, TimeoutError):
        await opened.close()
    judge.that(opened.close_code in (4400, 4429), f"nonsense for ever: {opened.close_code}")
    judge.close("large and broken frames", "refused or closed by the code for it")


def problem(answer):
    kind = answer.headers.get("content-type", "")
    if not kind.startswith("application/problem+json"):
        return None
    body = answer.json()
    return body if {"type", "title", "status", "detail", "code"} <= body.keys() else None


async def ids(http, ws, judge):
    """Each is a session of its own, or refused with the rule."""
    kept = []
    for name, good in IDS:
        answer = await http.post("/v1/sessions", json={"id": name})
        short = f"{name[:20]!r} of {len(name)}"
        if answer.status_code in (200, 201):
            judge.that(good is not False and answer.json()["id"] == name, f"{short}: taken")
            note = await http.post(path(name, "memory"), json={"text": f"only {name}"})
            judge.that(note.status_code == 201, f"{short}: {note.status_code} {note.text[:100]}")
            kept.append(name)
        else:
            said = problem(answer)
            judge.that(good is not True and said is not None and said["code"] == "bad-session-id",
                       f"{short}: {answer.status_code} {answer.text[:100]}")
    for name in kept:
        answer = await http.get(path(name, "memory"))
        texts = [item["text"] for item in answer.json().get("items", [])]
        judge.that(texts == [f"only {name}"], f"{name[:20]!r} holds {str(texts)[:100]}")
        answer = await http.get(path(name))
        judge.that(answer.json().get("id") == name, f"{name[:20]!r}: {answer.text[:100]}")
    opened = await socket(ws)
    for name, good in IDS:
        await opened.send(json.dumps({"type": "subscribe", "session": name}))
        frame = await until(opened, ["subscribed", "error"])
        taken = frame["type"] == "subscribed" and frame["session"] == name
        judge.that(good is None or taken == good, f"socket, {name[:20]!r}: {str(frame)[:120]}")
    await opened.close()
    judge.close("session ids", "distinct and safe, or refused with the rule")


async def requests(http, judge):
    """Everything wrong is the client's fault, told as a problem, never one of the server's."""
    deep = "[" * 100_000
    runs = path("req", "runs")
    rows = [
        ("POST", runs, b"{nonsense", {}), ("POST", runs, b"", {}), ("POST", runs, b"[1]", {}),
        ("POST", runs, b"7", {}), ("POST", runs, deep.encode(), {}), ("POST", runs, b"{}", {}),
        ("POST", runs, b'{"input":7}', {}), ("POST", runs, b'{"input":"\xff"}', {}),
        ("POST", runs, b'{"input":"x","loud":1}', {}),
        ("POST", runs, b'{"input":"x","on_conflict":"fight"}', {}),
        ("POST", runs, b'{"input":"x","timeout_ms":-1}', {}),
        ("POST", runs, b'{"input":"x","on_disconnect":{"cancel_after_ms":"soon"}}', {}),
        ("POST", runs, b'{"input":"x"}', {"idempotency-key": "k" * 256}),
        ("POST", runs, b'{"input":"' + b"y" * (2 * MIB) + b'"}', {}),
        ("POST", "/v1/sessions", b'{"id":7}', {}), ("POST", "/v1/sessions", b'{"idd":"x"}', {}),
        ("GET", path("never-made"), b"", {}), ("GET", path("never-made", "runs", "7"), b"", {}),
        ("GET", path("req", "runs", "no-number"), b"", {}),
        ("GET", path("req", "runs") + "?limit=0", b"", {}),
        ("GET", path("req", "runs") + "?limit=many", b"", {}),
        ("GET", path("req", "events") + "?after=nonsense", b"", {}),
        ("GET", path("req", "events") + "?after=x-99999999999999999999", b"", {}),
        ("GET", path("req", "events") + "?wait=-1", b"", {}),
        ("GET", "/v1/sessions/%ff/runs", b"", {}), ("GET", "/v1/sessions/%zz", b"", {}),
        ("GET", "/v1/sessions/" + "y" * 9_000, b"", {}),
        ("PUT", path("req", "memory"), b'{"items":[]}', {}),
        ("PUT", path("req", "memory"), b'{"items":[]}', {"if-match": '"nonsense"'}),
        ("PUT", path("req", "memory"), b'{"items":[]}', {"if-match": '"99.99"'}),
        ("PUT", path("req", "memory"), b'{"items":[{"role":"king","text":"x"}]}',
         {"if-match": '"0.0"'}),
        ("POST", path("req", "clear"), b'{"mode":"gently"}', {}),
        ("POST", path("req", "runs", "1", "cancel"), b'{"mode":"gently"}', {}),
        ("POST", path("req", "runs", "1", "input"), b'{"request_id":"1","input":"x"}', {}),
        ("DELETE", path("req", "queue", "1"), b"", {}),
        ("GET", "/v1/ws", b"", {}), ("POST", "/v1/ws", b"", {}),
    ]
    await http.post("/v1/sessions", json={"id": "req"})
    for method, url, body, headers in rows:
        try:
            answer = await http.request(
                method, url, content=body, headers={"content-type": "application/json"} | headers)
        except httpx.HTTPError as error:
            judge.that(False, f"{method} {url[:60]} {body[:40]!r}: {error!r} instead of an answer")
            continue
        said = answer.status_code in (405, 426) or problem(answer) is not None
        # Cancelling what is not there is no error.
        fine = url.endswith("/cancel") and answer.status_code == 200
        judge.that(400 <= answer.status_code < 500 and said or fine,
                   f"{method} {url[:60]} {body[:40]!r}: {answer.status_code} {answer.text[:120]}")
    judge.close("bad requests", "each is refused with a problem that names the fault")


def used(pid):
    """Resident bytes, open files and threads of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    resident = int(fields["VmRSS"].split()[0]) * 1024
    return resident, len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


async def come_and_go(host, port, number):
    """A socket by hand, so that the client costs little: handshake, perhaps a subscription, gone."""
    reader, writer = await asyncio.open_connection(host, int(port))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /v1/ws HTTP/1.1\r\nhost: {host}:{port}\r\nupgrade: websocket\r\n"
        "connection: Upgrade\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-key: {key}\r\n\r\n".encode())
    how = number % 4
    if how == 0:
        # Gone before the answer is.
        writer.transport.abort()
        return 0
    head = await reader.readuntil(b"\r\n\r\n")
    if how >= 2:
        text = json.dumps({"type": "subscribe", "session": f"churn-{number % 50}"}).encode()
        # Masked with zeros: allowed, and nothing to compute.
        writer.write(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
        await reader.read(1)
    if how == 3:
        writer.write(bytes([0x88, 0x82]) + bytes(4) + (1000).to_bytes(2, "big"))
        await reader.read()
        writer.close()
    else:
        writer.transport.abort()
    return int(head.split(b" ")[1] == b"101")


async def churn(host, port, count):
    """So many connections, a hundred at a time. How many were upgraded."""
    numbers = iter(range(count))
    upgraded = 0

    async def worker():
        nonlocal upgraded
        for number in numbers:
            try:
                async with asyncio.timeout(30):
                    one = await come_and_go(host, port, number)
                    upgraded += one
            except (OSError, asyncio.IncompleteReadError):
                pass

    await asyncio.gather(*(worker() for _ in range(100)))
    return upgraded


async def connections(base, http, pid, count, judge):
    host, _, port = base.removeprefix("http://").partition(":")
    # What is allocated once is allocated before.
    await churn(host, port, 1_000)
    await asyncio.sleep(1)
    before = used(pid)
    loop = asyncio.get_running_loop()
    start = loop.time()
    upgraded = await churn(host, port, count)
    took = loop.time() - start
    after = used(pid)
    tolerance = (RESIDENT_TOLERANCE, FILES_TOLERANCE, THREADS_TOLERANCE)
    for _ in range(SETTLE * 5):
        after = used(pid)
        if all(now <= was + more for now, was, more in zip(after, before, tolerance)):
            break
        await asyncio.sleep(0.2)
    told = [f"{was} -> {now} {what}" for was, now, what in zip(
        (round(before[0] / MIB, 1),) + before[1:], (round(after[0] / MIB, 1),) + after[1:],
        ("MiB", "open files", "threads"))]
    judge.that(upgraded >= count * 0.7, f"only {upgraded} of {count} were upgraded")
    for now, was, more, what in zip(after, before, tolerance, ("bytes", "files", "threads")):
        judge.that(now <= was + more, f"{was} {what} became {now}")
    for number in range(50):
        answer = await http.get(path(f"churn-{number}"))
        if answer.status_code == 200:
            left = answer.json()["connections"]
            judge.that(left == 0, f"churn-{number} still counts {left} connections")
    judge.close("connections that come and go",
                f"{count} in {took:.1f} s: {', '.join(told)}; at most 12 MiB, 4 files and 2 "
                "threads more than before")


async def main():
    base, pid, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ws = base.replace("http", "ws", 1) + "/v1/ws"
    judge = Judge()
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as http:
        await frames(ws, judge)
        await large_and_broken(ws, judge)
        await ids(http, ws, judge)
        await requests(http, judge)
        await connections(base, http, pid, count, judge)


if __name__ == "__main__":
    asyncio.run(main())
