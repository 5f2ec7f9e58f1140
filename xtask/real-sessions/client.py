"""How do the clients speak to the server? Over `websockets` and `httpx`, everything written down.

A `Tab` is one WebSocket of a person's browser: it comes, goes, and resumes where it was. An `Api`
calls over HTTP. A `Follower` reads the events of a session as a stream. What they send and see goes
to one `Recorder`, in the form that `checker.py` reads.
"""

import asyncio
import json
import time
import urllib.parse

import httpx
import websockets
from websockets.asyncio.client import connect

PATIENCE = 30
# What a frame says that is no part of what it asks.
FRAME = ("type", "client_msg_id", "session")


class Recorder:
    """Writes down what happens, in order."""

    def __init__(self):
        self.entries = []
        self.conns = 0
        self.re = 0
        self.calls = 0

    def add(self, k, **fields):
        entry = {"k": k, "at": time.time()} | fields
        self.entries.append(entry)
        return entry

    def conn(self, kind):
        self.conns += 1
        return f"{kind}{self.conns}"

    def call(self):
        """A number for one sending of a command: one that is sent again is another call."""
        self.calls += 1
        return self.calls

    def name(self, prefix):
        """A name for a command that no other has."""
        self.re += 1
        return f"{prefix}-{self.re}"

    def save(self, path):
        with open(path, "w") as file:
            for entry in self.entries:
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")


def path(session, *parts):
    # Dots alone would be taken for folders by the client, unless they are written so.
    name = urllib.parse.quote(session, safe="") if session.strip(".") \
        else session.replace(".", "%2E")
    segments = ["v1", "sessions", name]
    return "/" + "/".join(segments + list(parts))


class Api:
    """The HTTP surface."""

    def __init__(self, base, recorder, token=None):
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.AsyncClient(
            base_url=base, timeout=PATIENCE * 3, limits=limits, headers=headers, trust_env=False
        )
        self.recorder = recorder

    async def get(self, session, *parts, **query):
        answer = await self.client.get(path(session, *parts), params=query)
        return answer.status_code, answer.json()

    async def command(
        self, op, session, parts, body, key=None, headers=None, method="POST", ask=None, query=None,
        **also,
    ):
        """A command or a look, recorded: its status and what was answered. `ask` is what stands in
        the path or in a header."""
        re, call = key or self.recorder.name("http"), self.recorder.call()
        self.recorder.add(
            "sent", session=session, re=re, op=op, via="http", call=call, key=re,
            ask=(body or {}) | (ask or {}), **also,
        )
        answer = await self.client.request(
            method, path(session, *parts), json=body, params=query,
            headers={"idempotency-key": re} | (headers or {}),
        )
        said = answer.json() if answer.content else {}
        self.recorder.add(
            "answered", session=session, re=re, call=call, ok=answer.is_success,
            status=answer.status_code, body=said,
        )
        return answer.status_code, said

    async def look(self, op, session, *parts, ask=None, **query):
        """Looks at a part of a session, recorded."""
        return await self.command(
            op, session, list(parts), None, method="GET", ask=ask, query=query)

    async def submit(self, session, text, key=None, headers=None, **options):
        body = {"input": text} | options
        return await self.command(
            "submit", session, ["runs"], body, key, headers, input=text,
            policy=options.get("on_conflict"),
        )

    async def stream(self, session, text, **options):
        """Submits and reads the run's own events to their end."""
        re, call = self.recorder.name("stream"), self.recorder.call()
        self.recorder.add(
            "sent", session=session, re=re, op="submit", via="sse", call=call, key=re,
            ask={"input": text} | options, input=text, policy=options.get("on_conflict"),
        )
        request = self.client.stream(
            "POST", path(session, "runs"), json={"input": text} | options,
            headers={"idempotency-key": re, "accept": "text/event-stream"},
        )
        async with request as answer:
            if not answer.is_success:
                said = json.loads(await answer.aread())
                self.recorder.add(
                    "answered", session=session, re=re, call=call, ok=False,
                    status=answer.status_code, body=said,
                )
                return answer.status_code, said
            entry, whole = None, False
            async for event in events_of(answer):
                frame = json.loads(event["data"])
                if entry is None and frame.get("run"):
                    # Its first event says which run it is.
                    entry = self.recorder.add(
                        "stream", session=session, run=frame["run"], events=[], whole=False
                    )
                    self.recorder.add(
                        "answered", session=session, re=re, call=call, ok=True,
                        status=answer.status_code, body={"run": frame["run"]},
                    )
                if entry and frame.get("type") == "event":
                    entry["events"].append(frame)
                    whole = whole or frame["event"] == "run.finished"
            if entry:
                entry["whole"] = True
            return answer.status_code, {"whole": whole}

    async def all(self, session, part):
        """A whole list, page by page."""
        items, after = [], None
        while True:
            query = {"limit": 200} | ({"after": after} if after is not None else {})
            status, page = await self.get(session, part, **query)
            if status != 200:
                raise RuntimeError(f"{part} of {session}: {status} {page}")
            items += page["items"]
            after = page.get("next")
            if after is None:
                return items

    async def log(self, session):
        """All events that a session still has, by the long-poll."""
        _, body = await self.get(session)
        epoch, events = body["epoch"], []
        after = f"{epoch}-{await self.earliest(session, epoch, body['head'])}"
        while not events or events[-1]["seq"] < body["head"]:
            status, page = await self.get(session, "events", after=after, wait=0)
            if status != 200:
                raise RuntimeError(f"events of {session} after {after}: {status} {page}")
            if not page["events"]:
                break
            events += page["events"]
            after = page["next"]
        return epoch, events

    async def earliest(self, session, epoch, head):
        """The first position that is not gone: nothing tells it, so it is searched."""
        low, high = 0, head
        while low < high:
            middle = (low + high) // 2 if low else 0
            status, _ = await self.get(session, "events", after=f"{epoch}-{middle}", wait=0)
            low, high = (low, middle) if status == 200 else (middle + 1, high)
        return low

    async def close(self):
        await self.client.aclose()


async def events_of(answer):
    """The events of a stream, as the standard says to read them; comments are left out."""
    event = {}
    async for line in answer.aiter_lines():
        if not line:
            if "data" in event:
                yield event
            event = {}
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            event[field] = f"{event[field]}\n{value}" if field in event else value


class Tab:
    """A WebSocket that a person has open, through all its connections."""

    def __init__(self, url, recorder, session, name, token=None):
        self.url, self.recorder, self.session, self.name = url, recorder, session, name
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.epoch, self.seq = None, None
        self.socket, self.conn, self.reader = None, None, None
        self.waiting, self.unanswered, self.calls = {}, {}, {}
        self.goaway, self.errors = None, []
        self.ready = asyncio.Event()

    async def come(self, hello=False):
        """Connects, and goes on from where it was; what was not answered is sent again."""
        self.socket = await connect(
            self.url, subprotocols=["panelboard.v1"], compression=None, max_size=None,
            ping_interval=None, open_timeout=PATIENCE, proxy=None,
            additional_headers=self.headers,
        )
        self.conn = self.recorder.conn(f"{self.name}.")
        self.recorder.add("open", session=self.session, conn=self.conn)
        self.ready.clear()
        welcome = json.loads(await self.socket.recv())
        if welcome["type"] != "welcome":
            raise RuntimeError(f"the first frame is {welcome}")
        position = {"epoch": self.epoch, "seq": self.seq} if self.epoch else {}
        self.recorder.add("asked", session=self.session, conn=self.conn, **position)
        if hello and position:
            await self.send({"type": "hello", "resume": [{"session": self.session} | position]})
        else:
            await self.send({"type": "subscribe", "session": self.session} | position)
        self.reader = asyncio.create_task(self.read(self.socket, self.conn))
        await asyncio.wait_for(self.ready.wait(), PATIENCE)
        for frame in list(self.unanswered.values()):
            await self.command(frame, again=True)

    async def send(self, frame):
        await self.socket.send(json.dumps(frame))

    async def read(self, socket, conn):
        code, reason = None, ""
        try:
            async for text in socket:
                self.take(json.loads(text), conn)
        except websockets.ConnectionClosed:
            pass
        finally:
            code, reason = socket.close_code, socket.close_reason
            self.recorder.add(
                "closed", session=self.session, conn=conn, code=code, reason=reason
            )
            self.ready.set()
            for future in self.waiting.values():
                if not future.done():
                    future.set_result(None)

    def take(self, frame, conn):
        kind = frame["type"]
        if kind == "ack":
            re = frame["re"]
            body = frame.get("result") if frame["ok"] else frame.get("problem")
            self.recorder.add(
                "answered", session=self.session, re=re, call=self.calls.get(re), ok=frame["ok"],
                conn=conn, body=body or {},
            )
            self.unanswered.pop(re, None)
            if re in self.waiting and not self.waiting[re].done():
                self.waiting[re].set_result((frame["ok"], body or {}))
            return
        if kind == "goaway":
            self.goaway = frame
        if kind == "error":
            self.errors.append(frame)
            self.ready.set()
        if frame.get("session") == self.session:
            self.recorder.add("frame", conn=conn, frame=frame)
        if kind == "subscribed":
            self.epoch = frame["epoch"]
            if frame["mode"] == "fresh":
                self.seq = frame["head"]
            if frame["mode"] != "resync":
                self.ready.set()
        elif kind == "resync":
            self.epoch, self.seq = frame["epoch"], frame["seq"]
            self.ready.set()
        elif kind == "event":
            self.seq = frame["seq"]

    async def command(self, frame, again=False):
        """Sends a command and waits for its answer; None if the socket was gone before it."""
        re = frame["client_msg_id"]
        if not again:
            self.unanswered[re] = frame
        also = {"input": frame["input"], "policy": frame.get("on_conflict")} \
            if "input" in frame else {}
        self.calls[re] = self.recorder.call()
        ask = {field: value for field, value in frame.items() if field not in FRAME}
        # Over a socket a submission alone has a key; what else is sent again is done again.
        key = re if frame["type"] == "submit" else None
        self.recorder.add(
            "sent", session=self.session, re=re, op=frame["type"], via="ws", conn=self.conn,
            call=self.calls[re], key=key, ask=ask, **also,
        )
        self.waiting[re] = asyncio.get_running_loop().create_future()
        try:
            await self.send(frame)
        except websockets.ConnectionClosed:
            return None
        if again:
            return None
        return await asyncio.wait_for(self.waiting[re], PATIENCE * 2)

    async def submit(self, text, **options):
        return await self.command({
            "type": "submit", "client_msg_id": self.recorder.name(self.name),
            "session": self.session, "input": text,
        } | options)

    async def cancel(self, **options):
        return await self.command({
            "type": "cancel", "client_msg_id": self.recorder.name(self.name),
            "session": self.session,
        } | options)

    async def clear(self, **options):
        return await self.command({
            "type": "clear", "client_msg_id": self.recorder.name(self.name),
            "session": self.session,
        } | options)

    async def go(self, rudely=False):
        """Leaves: by a closing handshake, or as a laptop does whose lid is shut."""
        if self.socket is None:
            return
        if rudely:
            self.socket.transport.abort()
        else:
            await self.socket.close()
        await self.reader

    def here(self):
        return self.reader is not None and not self.reader.done()


class Follower:
    """Reads a session's events as a stream, cut now and then, and goes on by its last id."""

    def __init__(self, api, session):
        self.api, self.session = api, session
        self.last = None

    async def follow(self, how_long):
        """One connection, for so long. As a socket of the record."""
        recorder = self.api.recorder
        conn = recorder.conn("sse.")
        headers = {"accept": "text/event-stream"}
        query = {}
        if self.last is None:
            _, body = await self.api.get(self.session)
            self.last = f"{body['epoch']}-{body['head']}"
            query = {"after": self.last}
        else:
            headers["last-event-id"] = self.last
        epoch, _, seq = self.last.rpartition("-")
        position = {"epoch": epoch, "seq": int(seq)}
        recorder.add("asked", session=self.session, conn=conn, **position)
        # A stream does not tell the head, and so not from where on it is live.
        recorder.add("frame", conn=conn, frame={
            "type": "subscribed", "session": self.session, "epoch": epoch, "head": 2**53,
            "mode": "resumed",
        })
        url = path(self.session, "events")
        try:
            async with asyncio.timeout(how_long):
                async with self.api.client.stream(
                    "GET", url, params=query, headers=headers
                ) as answer:
                    answer.raise_for_status()
                    async for event in events_of(answer):
                        frame = json.loads(event["data"]) if event["data"] else {}
                        if frame.get("type") in ("event", "delta", "partial", "resync"):
                            recorder.add("frame", conn=conn, frame=frame)
                        if frame.get("type") == "event":
                            self.last = event["id"]
                        if frame.get("type") == "resync":
                            self.last = f"{frame['epoch']}-{frame['seq']}"
        except (TimeoutError, httpx.TransportError):
            pass
        recorder.add("closed", session=self.session, conn=conn)
