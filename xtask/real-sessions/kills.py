"""Load on a server that is killed again and again, and what it has kept each time.

    kills.py BASE_URL SEED RECORD

Reads lines: `up SECONDS` (a server that was started then is there: check, send again what was not
answered, load until it is gone), `goaway` (it was told to end: were the sockets?), `end SECONDS`
(it is there for the last time: let all come to rest and judge the whole record). Says JSON lines:
`loading` with a number each time the load begins, `down` when the server is gone.
"""

import asyncio
import collections
import random
import sys

import httpx
import websockets

import checker
from client import Api, Recorder, Tab
from traffic import POLICIES, say

SESSIONS = 4
# Then new sessions are taken, so that a log stays short enough to be read whole each time.
LIVES = 25
GONE = (httpx.TransportError, websockets.WebSocketException, OSError, TimeoutError)


class Known:
    """A session, and what its clients know of it."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.epoch, self.log, self.seen, self.accepted = None, [], {}, {}
        self.pending = {}
        self.tab = Tab(world.ws, world.recorder, name, f"{name}/t")
        self.rng = random.Random(f"{world.seed}/{name}")

    async def check(self, api, boot):
        """What is there after the restart, against what was known."""
        status, _ = await api.get(self.name)
        if status == 404:
            if self.accepted or self.seen:
                return ["the session is gone"]
            return []
        epoch, log = await api.log(self.name)
        runs = await api.all(self.name, "runs")
        before = {
            "epoch": self.epoch, "log": self.log, "seen": self.seen, "accepted": self.accepted,
        }
        now = {"epoch": epoch, "log": log, "runs": runs, "boot": boot}
        found = list(checker.after_a_restart(before, now))
        self.epoch, self.log, self.seen = epoch, log, {}
        return found

    async def again(self, api):
        """What was not answered is sent again, and two of what was: each with its own key."""
        found = []
        for key, (text, options) in list(self.pending.items()):
            await self.submit(api, key, text, options)
        known = [key for key, (command, _) in self.accepted.items() if command["op"] == "submit"
                 and key in self.world.sent]
        for key in self.rng.sample(known, min(2, len(known))):
            text, options = self.world.sent[key]
            self.world.done["replays of what was acknowledged"] += 1
            status, body = await api.submit(self.name, text, key, **options)
            run = self.accepted[key][1]["run"]
            if status not in (200, 202) or body.get("run") != run:
                found.append(f"{key} was run {run}; sent again it is {status} {body}")
            elif not body.get("replayed"):
                found.append(f"{key} was run {run}; sent again it is not told as replayed")
        return found

    async def submit(self, api, key, text, options):
        self.pending[key] = (text, options)
        self.world.sent[key] = (text, options)
        status, body = await api.submit(self.name, text, key, **options)
        # Refused for a while only: it will be sent again.
        if status != 503:
            del self.pending[key]
        if status in (200, 202):
            self.accepted[key] = ({"op": "submit", "input": text}, body)

    async def load_http(self, api):
        while True:
            what = self.rng.random()
            if what < 0.75:
                key = self.world.recorder.name(f"{self.name}.k")
                options = {"on_conflict": self.rng.choice(POLICIES)}
                await self.submit(api, key, f"Say {key}.", options)
            elif what < 0.9:
                text = f"Note {self.world.recorder.name('n')}."
                await self.write(api, "note", ["memory"], {"text": text, "role": "note"},
                                 text=text, role="note")
            elif what < 0.95:
                await self.write(api, "clear", ["clear"], {})
            else:
                await api.command("cancel", self.name, ["cancel"], {})
            await asyncio.sleep(self.rng.choice([0, 0, 0.01, 0.05]))

    async def write(self, api, op, parts, body, **also):
        key = self.world.recorder.name(op)
        status, result = await api.command(op, self.name, parts, body, key, **also)
        if status < 300:
            self.accepted[key] = ({"op": op}, result)

    async def load_socket(self):
        await self.tab.come(hello=self.rng.random() < 0.5)
        while True:
            answer = await self.tab.submit(
                f"Say {self.world.recorder.name(self.name + '.w')}.",
                on_conflict=self.rng.choice(POLICIES),
            )
            if answer is None:
                raise ConnectionError("the socket is gone")
            await asyncio.sleep(self.rng.choice([0, 0.01, 0.1]))


class World:
    def __init__(self, base, seed):
        self.base, self.seed = base, seed
        self.ws = base.replace("http", "ws", 1) + "/v1/ws"
        self.recorder = Recorder()
        self.lives = 0
        self.sessions, self.all = [], []
        self.done = collections.Counter()
        self.sent, self.found, self.read = {}, [], 0

    def next_life(self):
        if self.lives % LIVES == 0:
            names = [f"kill-{self.lives // LIVES}-{index}" for index in range(SESSIONS)]
            self.sessions = [Known(self, name) for name in names]
            self.all += self.sessions
        self.lives += 1

    def note(self):
        """What sockets have shown and acknowledged since the last time."""
        known = {session.name: session for session in self.all}
        commands = {}
        for entry in self.recorder.entries[self.read:]:
            session = known.get(entry.get("session") or entry.get("frame", {}).get("session"))
            if session is None:
                continue
            if entry["k"] == "frame" and entry["frame"]["type"] == "event":
                session.seen[entry["frame"]["seq"]] = entry["frame"]
            elif entry["k"] == "sent":
                commands[entry["re"]] = entry
            elif entry["k"] == "answered" and entry["ok"] and entry["re"] in commands:
                command = commands[entry["re"]]
                if command["op"] == "submit":
                    session.accepted[entry["re"]] = (command, entry["body"])
        self.read = len(self.recorder.entries)

    async def life(self, boot):
        """From a restart to the next death."""
        self.note()
        api = Api(self.base, self.recorder)
        loading = False
        try:
            for session in self.sessions:
                found = await session.check(api, boot)
                self.found += [f"life {self.lives}, {session.name}: {what}" for what in found]
            self.done["checks after a restart"] += len(self.sessions)
            for session in self.sessions:
                found = await session.again(api)
                self.found += [f"life {self.lives}, {session.name}: {what}" for what in found]
            self.next_life()
            say(loading=self.lives, acknowledged=sum(len(s.accepted) for s in self.all))
            loading = True
            work = [session.load_http(api) for session in self.sessions]
            work += [session.load_http(api) for session in self.sessions]
            work += [session.load_socket() for session in self.sessions]
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            strange = [error for error in outcomes if not isinstance(error, GONE)]
            self.found += [f"life {self.lives}: {type(e).__name__}: {e}" for e in strange]
        except GONE:
            pass
        await api.close()
        for session in self.all:
            tab = session.tab
            if tab.socket and tab.reader:
                await asyncio.wait_for(tab.reader, 30)
        say(down=self.lives, loaded=loading)

    async def end(self, boot):
        """The last life: everything comes to rest, and the whole record is judged."""
        self.note()
        api = Api(self.base, self.recorder)
        for session in self.sessions:
            self.found += await session.check(api, boot)
            self.found += await session.again(api)
        for session in self.all:
            for _ in range(300):
                status, body = await api.get(session.name)
                if status == 404 or (body["slot"]["state"] == "idle" and not body["queue"]):
                    break
                await asyncio.sleep(0.1)
        for session in self.all:
            status, body = await api.get(session.name)
            if status == 404:
                continue
            epoch, events = await api.log(session.name)
            self.recorder.add("log", session=session.name, epoch=epoch, events=events)
            for part in ("runs", "memory"):
                items = await api.all(session.name, part)
                self.recorder.add(part, session=session.name, items=items)
            status, body = await api.get(session.name)
            self.recorder.add("session", session=session.name, body=body)

    def report(self):
        count = collections.Counter(self.done)
        for session in self.all:
            count["messages acknowledged"] += len(session.accepted)
            count["messages never answered"] += len(session.pending)
        finished = collections.Counter()
        for entry in self.recorder.entries:
            if entry["k"] == "log":
                count["events kept"] += len(entry["events"])
            elif entry["k"] == "runs":
                finished.update(run["status"] for run in entry["items"])
        count |= {f"runs {status}": number for status, number in finished.items()}
        for name, number in sorted(count.items()):
            say(count=name, number=number)
        say(check="kept", ok=not self.found, found=self.found,
            what="after each restart: nothing shown or acknowledged is gone or changed, no run "
                 "still runs, each key is answered with its own run")
        findings = checker.check(self.recorder.entries)
        for rule in checker.RULES:
            found = [f"{f.session}: {f.what}" for f in findings if f.rule == rule.__name__]
            say(check=rule.__name__, ok=not found, what=" ".join(rule.__doc__.split()),
                found=found)


async def main():
    base, seed, record = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    world = World(base, seed)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        word, _, boot = line.strip().partition(" ")
        if word == "up":
            await world.life(float(boot))
        elif word == "goaway":
            tabs = [session.tab for session in world.sessions if session.tab.conn]
            told = [tab for tab in tabs if tab.goaway]
            codes = [tab.socket.close_code for tab in tabs if tab.socket]
            say(check="goaway", ok=bool(tabs) and len(told) == len(tabs), found=[],
                what=f"{len(told)} of {len(tabs)} sockets were told to come back later, "
                     f"closed with {sorted(set(map(str, codes)))}")
        elif word == "end":
            await world.end(float(boot))
            world.recorder.save(record)
            world.report()
            return
        else:
            return


if __name__ == "__main__":
    asyncio.run(main())
