"""Sessions under traffic: people who race each other, clear, cancel, come and go.

    traffic.py BASE_URL SESSIONS SEED RECORD

Says what happened in JSON lines, a `progress` line each second, until its input says `end`; then
it lets everything come to rest, fetches what is kept, saves the record and has it checked. Random
choices come from the seed; how they interleave does not.
"""

import asyncio
import collections
import json
import random
import sys

import httpx
import websockets

import checker
from client import Api, Follower, Recorder, Tab

POLICIES = ["reject", "enqueue", "interrupt", "rollback", "steer"]
# Most turns are short ones of the pretend provider, so that much happens beside the real model:
# every fourth session speaks to that one.
QUICK = ["quick", "quick", "quick", "quick", None]
REAL = [None, None, "quick"]
ODD_NAMES = ["a/b", "../x", "a b", "Grüße/日本語", "%2e%2e", "a?b#c", "a%2Fb"]
REST = 20


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class World:
    """All sessions of a run, and what was done in them."""

    def __init__(self, base, count, seed):
        self.base, self.seed = base, seed
        self.ws = base.replace("http", "ws", 1) + "/v1/ws"
        self.recorder = Recorder()
        self.names = [
            ODD_NAMES[index] if index < len(ODD_NAMES) else f"chat-{index}"
            for index in range(count)
        ]
        self.done = collections.Counter()
        self.counter = Counter(self)
        self.stop = asyncio.Event()
        self.problems = collections.Counter()
        self.tabs = []

    def api(self):
        return Api(self.base, self.recorder)

    def random(self, *who):
        return random.Random("/".join(map(str, (self.seed,) + who)))

    def text(self, rng):
        self.done["messages"] += 1
        return f"Message {self.done['messages']}: say {rng.choice(['hello', 'yes', 'one'])}."

    async def pause(self, rng, least, most):
        """False when it is time to stop."""
        try:
            await asyncio.wait_for(self.stop.wait(), rng.uniform(least, most))
        except TimeoutError:
            pass
        return not self.stop.is_set()


def options(world, session, rng):
    real = world.names.index(session) % 4 == 0
    # Its turns take long: most wait for each other, or none would come to its end.
    chosen = {"on_conflict": rng.choice(POLICIES + ["enqueue"] * (6 * real))}
    if model := rng.choice(REAL if real else QUICK):
        chosen["model"] = model
    return chosen


async def staying(world, session, tab):
    """Somebody who sits before an open page."""
    rng = world.random(session, tab.name)
    while await world.pause(rng, 0.2, 2.0):
        what = rng.random()
        if what < 0.75:
            await tab.submit(world.text(rng), **options(world, session, rng))
        elif what < 0.93:
            world.done["cancels"] += 1
            await tab.cancel(**({"mode": "force"} if rng.random() < 0.3 else {}))
        else:
            world.done["clears"] += 1
            await tab.clear(mode=rng.choice(["cancel_and_clear", "if_idle"]))


async def coming_and_going(world, session, tab):
    """Somebody in a tunnel: sends and is gone, comes back where they were."""
    rng = world.random(session, tab.name)
    while await world.pause(rng, 0.1, 1.5):
        command = None
        if rng.random() < 0.6:
            chosen = options(world, session, rng)
            command = asyncio.create_task(tab.submit(world.text(rng), **chosen))
            await asyncio.sleep(rng.choice([0, 0, 0.001, 0.05]))
        rudely = rng.random() < 0.7
        world.done["cut sockets" if rudely else "closed sockets"] += 1
        await tab.go(rudely)
        if command:
            await command
        await world.pause(rng, 0.0, 1.0)
        world.done["resumes"] += 1
        await tab.come(hello=rng.random() < 0.5)


async def over_http(world, session, api):
    """Somebody's script."""
    rng = world.random(session, "http")
    while await world.pause(rng, 0.2, 2.0):
        what = rng.random()
        if what < 0.3:
            wait = {"prefer": "wait=2"} if rng.random() < 0.3 else {}
            chosen = options(world, session, rng)
            await api.submit(session, world.text(rng), headers=wait, **chosen)
        elif what < 0.42:
            world.done["streams"] += 1
            await api.stream(session, world.text(rng), **options(world, session, rng))
        elif what < 0.55:
            # A double click: the same message twice at once.
            world.done["double clicks"] += 1
            key, text = world.recorder.name("twice"), world.text(rng)
            chosen = options(world, session, rng)
            await asyncio.gather(*(api.submit(session, text, key, **chosen) for _ in range(2)))
        elif what < 0.65:
            world.done["cancels"] += 1
            await api.command("cancel", session, ["cancel"], {})
        elif what < 0.75:
            await cancel_some_run(world, session, api, rng)
        elif what < 0.79:
            world.done["clears"] += 1
            await api.command("clear", session, ["clear"], {"mode": "cancel_and_clear"})
        elif what < 0.85:
            await look(world, session, api, rng)
        elif what < 0.93:
            world.done["notes"] += 1
            text = f"Note {world.recorder.name('n')}."
            body = {"text": text, "role": "note"}
            await api.command("note", session, ["memory"], body, text=text, role="note")
        else:
            await replace(world, session, api)


async def look(world, session, api, rng):
    """Looks at the memory, the queue and one who waits there: and may take that one out."""
    world.done["looks"] += 1
    await api.look("memory", session, "memory", limit=200)
    status, queue = await api.look("queue", session, "queue")
    if status == 200 and queue["items"]:
        run = rng.choice(queue["items"])["run"]
        await api.look("run", session, "runs", run, ask={"run": run})
        if rng.random() < 0.5:
            world.done["taken out of the queue"] += 1
            await api.command(
                "unqueue", session, ["queue", run], None, method="DELETE", ask={"run": run})


async def cancel_some_run(world, session, api, rng):
    status, page = await api.get(session, "runs", limit=200)
    if status == 200 and page["items"]:
        world.done["cancels"] += 1
        run = rng.choice(page["items"][-4:])["run"]
        body = {"mode": rng.choice(["graceful", "force"])}
        await api.command("cancel", session, ["runs", run, "cancel"], body, ask={"run": run})


async def replace(world, session, api):
    """Two writers who have read the same memory and replace it: one must lose."""
    status, memory = await api.look("memory", session, "memory", limit=200)
    if status != 200:
        return
    world.done["replacements"] += 2
    items = [{"role": "note", "text": f"Replaced {world.recorder.name('r')}."}]

    def write():
        return api.command(
            "replace", session, ["memory"], {"items": items}, method="PUT",
            headers={"if-match": f'"{memory["tag"]}"'}, ask={"tag": memory["tag"]},
            tag=memory["tag"], items=items,
        )
    await asyncio.gather(write(), write())


async def following(world, session, api):
    """A page that follows by an event stream, which is cut now and then."""
    rng = world.random(session, "follow")
    follower = Follower(api, session)
    while not world.stop.is_set():
        world.done["event streams"] += 1
        await follower.follow(rng.uniform(0.5, 4))
        await world.pause(rng, 0, 0.5)


async def volley(world, session, tabs, api, policy):
    """The same moment, two sockets and two calls, one policy."""
    world.done["volleys"] += 1
    rng = world.random(session, "volley", policy)
    shots = [tab.submit(world.text(rng), on_conflict=policy, model="quick") for tab in tabs]
    shots += [
        api.submit(session, world.text(rng), on_conflict=policy, model="quick") for _ in range(2)
    ]
    await asyncio.gather(*shots)


async def guarded(world, work, who):
    """A client that breaks is a finding, not the end of the run."""
    try:
        await work
    except (httpx.HTTPError, websockets.WebSocketException, OSError, RuntimeError,
            TimeoutError, KeyError) as error:
        world.problems[f"{who}: {type(error).__name__}: {error}"[:300]] += 1


async def session_of(world, session, tabs_only):
    first = Tab(world.ws, world.recorder, session, f"{session}/a")
    second = Tab(world.ws, world.recorder, session, f"{session}/b")
    world.tabs += [first, second]
    api = world.api()
    await first.come()
    await second.come()
    rng = world.random(session, "policies")
    for policy in rng.sample(POLICIES, len(POLICIES)):
        await volley(world, session, [first, second], api, policy)
    people = [staying(world, session, first), coming_and_going(world, session, second)]
    if not tabs_only:
        people += [over_http(world, session, api), following(world, session, world.api())]
    await asyncio.gather(*(guarded(world, person, session) for person in people))


class Counter:
    """What was done so far, by what came of it. Reads each entry of the record once."""

    def __init__(self, world):
        self.world = world
        self.read, self.count = 0, collections.Counter()
        self.ends, self.by, self.whole = {}, {}, {}

    def look(self):
        entries = self.world.recorder.entries
        for entry in entries[self.read:]:
            self.add(entry)
        self.read = len(entries)
        runs = collections.Counter(f"runs {status}" for status in self.ends.values())
        answers = collections.Counter(
            f"whole answers of {self.by.get((session, run))}"
            for (session, _), run in self.whole.items() if run
        )
        return dict(self.world.done + self.count + runs + answers) | {"runs": len(self.ends)}

    def add(self, entry):
        kind, frame = entry["k"], entry.get("frame", {})
        if kind == "answered" and not entry["ok"]:
            self.count[f"refused: {entry['body'].get('code')}"] += 1
        elif kind == "open":
            self.count["sockets"] += 1
        elif kind == "frame":
            self.count["frames"] += 1
            if frame.get("event") == "run.finished":
                self.ends[frame["session"], frame["run"]] = frame["data"].get("status")
            elif frame.get("event") == "message.completed":
                whole = not frame["data"].get("partial")
                self.whole[frame["session"], frame["seq"]] = frame["run"] if whole else None
            elif frame.get("event") == "message.started":
                self.by[frame["session"], frame["run"]] = frame["data"].get("answered_by")
            elif frame["type"] in ("delta", "partial", "resync"):
                self.count[f"{frame['type']} frames"] += 1


async def progress(world):
    """Each second, how many runs have ended, by status."""
    while True:
        count = world.counter.look()
        runs = {name: number for name, number in count.items() if name.startswith("runs ")}
        say(progress=count["runs"], runs=runs, messages=count.get("messages", 0))
        await asyncio.sleep(1)


async def rest(world, api):
    """Lets what was accepted come to its end; what takes too long is cleared."""
    async def one(session):
        for _ in range(REST * 5):
            status, body = await api.get(session)
            if status == 200 and body["slot"]["state"] == "idle" and not body["queue"]:
                return
            await asyncio.sleep(0.2)
        world.done["cleared at the end"] += 1
        await api.command("clear", session, ["clear"], {"mode": "cancel_and_clear"})
        for _ in range(60 * 5):
            status, body = await api.get(session)
            if status == 200 and body["slot"]["state"] == "idle":
                return
            await asyncio.sleep(0.2)
        world.problems[f"{session}: not idle a minute after a clear"] += 1
    await asyncio.gather(*(one(session) for session in world.names))


async def fetch(world, api):
    """What is kept, into the record."""
    for session in world.names:
        epoch, events = await api.log(session)
        world.recorder.add("log", session=session, epoch=epoch, events=events)
        runs = await api.all(session, "runs")
        world.recorder.add("runs", session=session, items=runs)
        memory = await api.all(session, "memory")
        world.recorder.add("memory", session=session, items=memory)
        _, body = await api.get(session)
        world.recorder.add("session", session=session, body=body)


async def come_to_the_end(world):
    """Every socket that stays sees the last event."""
    for tab in world.tabs:
        if not tab.here():
            await guarded(world, tab.come(), tab.name)
    api = world.api()
    heads = {}
    for session in world.names:
        _, body = await api.get(session)
        heads[session] = body["head"]
    for _ in range(50):
        if all((tab.seq or 0) >= heads[tab.session] for tab in world.tabs):
            break
        await asyncio.sleep(0.1)


async def until_told(world):
    """The input says `end`, or is at its end."""
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line or line.strip() == "end":
            world.stop.set()
            return


async def main():
    base, count, seed, record = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    world = World(base, count, seed)
    teller = asyncio.create_task(progress(world))
    told = asyncio.create_task(until_told(world))
    sessions = [
        guarded(world, session_of(world, session, index % 4 == 3), session)
        for index, session in enumerate(world.names)
    ]
    await asyncio.gather(*sessions)
    await told
    teller.cancel()
    api = world.api()
    await rest(world, api)
    await come_to_the_end(world)
    await fetch(world, api)
    world.recorder.save(record)
    report(world)


def report(world):
    """The counts, then each rule as one check over all sessions."""
    for name, number in sorted(world.counter.look().items()):
        say(count=name, number=number)
    say(check="clients", ok=not world.problems, what="no client broke", found=[
        f"{what} ({count} times)" for what, count in world.problems.items()
    ])
    real = sum(n for name, n in world.counter.look().items() if "of llama" in name)
    say(check="model", ok=real > 0, what=f"the real model gave {real} whole answers", found=[])
    errors = [str(error) for tab in world.tabs for error in tab.errors]
    say(check="errors", ok=not errors, what="no frame of a client was refused", found=errors)
    findings = checker.check(world.recorder.entries)
    for rule in checker.RULES:
        found = [
            f"{finding.session}: {finding.what}" for finding in findings
            if finding.rule == rule.__name__
        ]
        what = " ".join(rule.__doc__.split())
        say(check=rule.__name__, ok=not found, what=what, found=found)


if __name__ == "__main__":
    asyncio.run(main())
