"""Jobs on a server that is killed again and again, and what clients see of them.

    jobs.py BASE_URL SEED RECORD

Reads lines: `up SECONDS` (a server that was started then is there: look at all jobs, send again
what was not answered, load until it is gone), `end SECONDS` (it is there for the last time: let all
end and judge the whole record). Says JSON lines: `loading` with a number each time the load begins,
`down` when the server is gone.
"""

import asyncio
import collections
import hashlib
import json
import random
import sys

import httpx

import checker

# Jobs that are there at a time; when all have ended, the next ones come.
TOGETHER = 50
GONE = (httpx.TransportError,)
SCENARIO = """
run = { lasts = "%s" }

[[service]]
name = "db"
latency = { kind = "lognormal", median = "20ms", p99 = "200ms" }
servers = 500
[[service.episode]]
kind = "errors"
at = "2s"
lasts = "3s"

[[caller]]
name = "web"
calls = ["db"]
rate = %d
retries = 2

[[policy]]
name = "defaults"
"""


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def simulation(lasts, rate, seeds, seed):
    return {"kind": "simulation",
            "args": {"scenario_toml": SCENARIO % (lasts, rate), "seeds": seeds, "seed": seed}}


def analysis(calls, candidates, seed):
    rng = random.Random(f"calls {seed}")
    rows = ["time,key,duration_ms,outcome"]
    for number in range(calls):
        bad = calls // 3 < number < calls // 2 and rng.random() < 0.8
        rows.append(f"{1_790_000_000 + number / 5},{rng.choice('ab')},"
                    f"{rng.randrange(20, 400)},{'failure' if bad else 'ok'}")
    return {"kind": "analysis", "args": {"calls_csv": "\n".join(rows) + "\n",
                                         "candidates": candidates, "seed": seed}}


def shapes():
    """Most take some milliseconds, some a second or more: those are cut short by most kills."""
    made = {}
    for seed in range(4):
        made[f"short simulation {seed}"] = (6, simulation("10s", 100, 2, seed))
        made[f"short analysis {seed}"] = (3, analysis(300, 40, seed))
    for seed in range(2):
        made[f"long simulation {seed}"] = (3, simulation("1m", 4_000, 8, seed))
        made[f"longest simulation {seed}"] = (2, simulation("1m", 4_000, 60, seed))
        made[f"long analysis {seed}"] = (2, analysis(2_500, 1_500, seed))
    return made


SHAPES = shapes()


class Job:
    """One that clients want done, and what they know of it."""

    def __init__(self, key, rng):
        self.key = key
        names = list(SHAPES)
        weights = [SHAPES[name][0] for name in names]
        self.shape = rng.choices(names, weights)[0]
        self.may_again = rng.random() < 0.4
        self.body = SHAPES[self.shape][1] | {
            "priority": rng.choice([0, 0, 0, 3]), "retry_on_lost": self.may_again,
            "hold_permit": rng.random() < 0.2,
        }
        self.id, self.seen, self.read = None, {}, False

    @property
    def ended(self):
        return self.seen.get("state") in checker.ENDS


class World:
    def __init__(self, base, seed):
        self.base, self.rng = base, random.Random(seed)
        self.life, self.rounds = 0, 0
        self.entries, self.done = [], collections.Counter()
        self.jobs, self.by_id, self.now = [], {}, []
        self.strange = []
        # What is out: a job has one command at a time, so that it is known which came last.
        self.busy = set()

    def add(self, k, **entry):
        self.entries.append({"k": k, "life": self.life} | entry)
        return len(self.entries) - 1

    def next_round(self):
        if all(job.ended for job in self.now):
            self.rounds += 1
            self.now = [Job(f"r{self.rounds}.{n}", self.rng) for n in range(TOGETHER)]
            self.jobs += self.now
            self.done["rounds of fifty jobs"] = self.rounds

    # What clients do.

    async def submit(self, api, job):
        sent = self.add("sent", key=job.key, may_again=job.may_again, shape=job.shape)
        answer = await api.post("/v1/jobs", json=job.body, headers={"idempotency-key": job.key})
        if answer.status_code == 503:
            return
        body = answer.json()
        if answer.status_code != 202:
            self.strange.append(f"submit {job.key}: {answer.status_code} {body}")
            return
        self.done["submissions acknowledged"] += 1
        self.done["of them replayed"] += body["replayed"]
        self.add("acked", sent=sent, key=job.key, id=body["id"], replayed=body["replayed"])
        job.id = job.id or body["id"]
        self.by_id[body["id"]] = job

    async def command(self, api, job, op):
        if job.id in self.busy:
            return
        self.busy.add(job.id)
        try:
            sent = self.add("told", id=job.id, op=op)
            answer = await api.post(f"/v1/jobs/{job.id}/{op}")
            if answer.status_code in (200, 202):
                body = answer.json()
                self.done[f"{op} acknowledged"] += 1
                self.add("did", sent=sent, id=job.id, op=op, changed=body["changed"],
                         state=body["state"], desired=body["desired"])
            elif answer.status_code not in (409, 503):
                self.strange.append(f"{op} {job.id}: {answer.status_code} {answer.text}")
        finally:
            self.busy.discard(job.id)

    def saw(self, since, body):
        self.add("seen", since=since, job=body)
        job = self.by_id.get(body["id"])
        if job and not job.ended:
            job.seen = body
            if job.ended:
                self.done[f"jobs {body['state']}"] += 1

    async def look(self, api, job):
        since = len(self.entries)
        answer = await api.get(f"/v1/jobs/{job.id}")
        if answer.status_code == 200:
            self.saw(since, answer.json())
        elif answer.status_code == 404:
            self.add("gone", since=since, id=job.id)
        elif answer.status_code != 503:
            self.strange.append(f"look at {job.id}: {answer.status_code} {answer.text}")

    async def pages(self, api, states=None):
        """All jobs, or those in some states, page by page."""
        after, found = None, []
        while True:
            query = {"limit": 200} | ({"after": after} if after else {})
            query |= {"state": ",".join(sorted(states))} if states else {}
            since = len(self.entries)
            answer = await api.get("/v1/jobs", params=query)
            if answer.status_code == 503:
                return found
            body = answer.json()
            for item in body["items"]:
                self.saw(since, item)
                found.append(item["id"])
            after = body.get("next")
            if not after:
                return found

    async def read(self, api, job):
        """The result of a completed job, once in its life and once in a later one."""
        answer = await api.get(f"/v1/jobs/{job.id}/result")
        if answer.status_code == 200:
            self.done["results read"] += 1
            digest = hashlib.sha256(answer.content).hexdigest()
            self.add("result", id=job.id, shape=job.shape, digest=digest)
            job.read = True
        elif answer.status_code != 503:
            self.add("barren", id=job.id, status=answer.status_code)

    async def figures(self, api):
        answer = await api.get("/v1/jobs/stats")
        if answer.status_code == 200:
            self.done["figures read"] += 1
            self.add("stats", body=answer.json())

    # How they go on.

    async def submits(self, api):
        while True:
            todo = [job for job in self.now if job.id is None]
            if todo:
                await self.submit(api, todo[self.rng.randrange(min(len(todo), 8))])
            await asyncio.sleep(self.rng.choice([0, 0.005, 0.02]))

    async def meddles(self, api):
        while True:
            known = [job for job in self.now if job.id and not job.ended]
            paused = [job for job in known if job.seen.get("desired") == "pause"]
            what = self.rng.random()
            if paused and (what < 0.5 or len(paused) == len(known)):
                await self.command(api, self.rng.choice(paused), "resume")
            elif known and what < 0.85:
                await self.command(api, self.rng.choice(known), "pause")
            elif known and self.rng.random() < 0.4:
                await self.command(api, self.rng.choice(known), "stop")
            await asyncio.sleep(self.rng.choice([0.005, 0.02, 0.1]))

    async def looks(self, api):
        while True:
            for job in [job for job in self.now if job.id and not job.ended]:
                await self.look(api, job)
            self.next_round()
            await asyncio.sleep(0.02)

    async def watches(self, api):
        while True:
            await self.pages(api, checker.LIVE)
            await self.figures(api)
            for job in [job for job in self.now if job.seen.get("state") == "completed"
                        and not job.read]:
                await self.read(api, job)
            await asyncio.sleep(0.02)

    async def up(self):
        """From a restart to the next death."""
        self.life += 1
        loading = False
        async with httpx.AsyncClient(base_url=self.base, timeout=30) as api:
            try:
                await self.after_a_restart(api)
                self.next_round()
                say(loading=self.life, acknowledged=len(self.by_id))
                loading = True
                work = [self.submits(api), self.submits(api), self.meddles(api),
                        self.meddles(api), self.watches(api), self.looks(api)]
                tasks = [asyncio.ensure_future(one) for one in work]
                # Who has nothing to do asks nothing, and would not see that the server is gone.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
                for task in tasks:
                    task.cancel()
                for error in await asyncio.gather(*tasks, return_exceptions=True):
                    if not isinstance(error, (*GONE, asyncio.CancelledError)):
                        self.strange.append(f"life {self.life}: {type(error).__name__}: {error}")
            except GONE:
                pass
        say(down=self.life, loaded=loading)

    async def after_a_restart(self, api):
        """What was known is looked at; what was not answered is sent again, and some others."""
        await self.figures(api)
        for job in [job for job in self.now if job.id]:
            await self.look(api, job)
        ended = [job for job in self.jobs if job.ended]
        for job in self.rng.sample(ended, min(10, len(ended))):
            await self.look(api, job)
            if job.seen["state"] == "completed":
                await self.read(api, job)
        sent = {entry["key"] for entry in self.entries if entry["k"] == "sent"}
        for job in self.now:
            if job.id is None and job.key in sent:
                await self.submit(api, job)
        known = [job for job in self.jobs if job.id]
        for job in self.rng.sample(known, min(5, len(known))):
            await self.submit(api, job)

    async def end(self):
        """The last life: everything comes to its end."""
        self.life += 1
        async with httpx.AsyncClient(base_url=self.base, timeout=30) as api:
            await self.after_a_restart(api)
            for _ in range(600):
                for job in self.now:
                    if job.id is None:
                        await self.submit(api, job)
                    elif not job.ended:
                        if job.seen.get("desired") == "pause":
                            await self.command(api, job, "resume")
                        await self.look(api, job)
                if all(job.ended for job in self.now):
                    break
                await asyncio.sleep(0.2)
            for job in self.jobs:
                await self.look(api, job)
                if job.seen.get("state") == "completed":
                    await self.read(api, job)
            self.add("list", ids=await self.pages(api))

    def report(self):
        self.done["lives in which clients saw the server"] = self.life
        self.done["looks at jobs"] = sum(entry["k"] == "seen" for entry in self.entries)
        attempts = collections.Counter(job.seen.get("attempt", 0) for job in self.jobs)
        for attempt, number in attempts.items():
            self.done[f"jobs started {attempt} times"] = number
        for name, number in sorted(self.done.items()):
            say(count=name, number=number)
        say(check="answers", ok=not self.strange, found=self.strange,
            what="each request is answered as it may be, or not at all")
        found = checker.check(self.entries)
        for rule in checker.RULES:
            of = found[rule.__name__]
            say(check=rule.__name__, ok=not of, found=of, what=" ".join(rule.__doc__.split()))

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for entry in self.entries:
                file.write(json.dumps(entry) + "\n")


async def main():
    base, seed, record = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    world = World(base, seed)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        word = line.strip().partition(" ")[0]
        if word == "up":
            await world.up()
        elif word == "end":
            await world.end()
            world.save(record)
            world.report()
            return
        else:
            return


if __name__ == "__main__":
    asyncio.run(main())
