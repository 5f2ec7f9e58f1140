"""Is the record of what clients saw of jobs possible, if the server is what it says?

A record is a list of entries, in the order in which they were written; each has `life`, the number
of the server's life, and `k`, what it is:

    sent     key, may_again, shape         a job is about to be submitted
    acked    sent, key, id, replayed       it was taken; `sent` is the number of that entry
    told     id, op                        a command is about to be sent
    did      sent, id, op, changed, state, desired
    seen     since, job                    what a look that began after `since` entries saw
    gone     since, id                     404
    result   id, shape, digest             of a completed job
    barren   id, status                    a completed job has no result
    stats    body
    list     ids                           all jobs that there are, at the end

Each rule is a function that yields what it finds wrong; its docstring says what it holds.
"""

import collections

ENDS = {"completed", "failed", "stopped", "lost", "expired"}
LIVE = {"starting", "running", "pausing", "paused", "resuming", "stopping"}
# A job that may be run again is started so often at most.
MOST = 3


class Record:
    """The entries, and the looks at each job by its id."""

    def __init__(self, entries):
        self.entries = list(enumerate(entries))
        self.looks = collections.defaultdict(list)
        self.ids, self.may_again, self.shapes = {}, {}, {}
        sent = {}
        for index, entry in self.entries:
            if entry["k"] == "sent":
                sent.setdefault(entry["key"], entry)
            elif entry["k"] == "acked":
                self.ids.setdefault(entry["id"], index)
                of = sent.get(entry["key"], {})
                self.may_again[entry["id"]] = of.get("may_again", False)
                self.shapes[entry["id"]] = of.get("shape")
            elif entry["k"] == "seen":
                self.looks[entry["job"]["id"]].append((index, entry))

    def of(self, *kinds):
        return ((index, entry) for index, entry in self.entries if entry["k"] in kinds)

    def pairs(self):
        """Two looks at a job of which the second began after the first had ended; near ones only,
        since what holds for each such pair holds for all that come of them."""
        for id, looks in self.looks.items():
            newest = None
            ordered = sorted(looks, key=lambda look: look[0])
            for position, (index, entry) in enumerate(ordered):
                before = [other for other in ordered[max(0, position - 12):position]
                          if other[0] < entry["since"]]
                if before:
                    newest = before[-1]
                    yield id, newest[1], entry


def none_is_lost(record):
    """Each job that was acknowledged is there at each later look, and has ended at the end."""
    for _, entry in record.of("gone"):
        if record.ids.get(entry["id"], entry["since"]) < entry["since"]:
            yield f"{entry['id']} is gone in life {entry['life']}"
    there = {id for _, entry in record.of("list") for id in entry["ids"]}
    for id in record.ids:
        if id not in there:
            yield f"{id} was acknowledged and is not in the last list"
        elif not record.looks[id]:
            yield f"{id} was never seen"
        elif record.looks[id][-1][1]["job"]["state"] not in ENDS:
            yield f"{id} is left {record.looks[id][-1][1]['job']['state']}"


def nothing_comes_from_nowhere(record):
    """Each job that there is at the end was acknowledged to somebody."""
    for _, entry in record.of("list"):
        ids = collections.Counter(entry["ids"])
        for id, times in ids.items():
            if id not in record.ids:
                yield f"nobody was told of {id}"
            if times > 1:
                yield f"{id} is {times} times in the list"


def none_is_left_running(record):
    """What runs in one life of the server does not run in the next one, but as a new attempt."""
    lives = collections.defaultdict(set)
    for id, looks in record.looks.items():
        for _, entry in looks:
            if entry["job"]["state"] in LIVE:
                lives[id, entry["job"]["attempt"]].add(entry["life"])
    for (id, attempt), seen in lives.items():
        if len(seen) > 1:
            yield f"attempt {attempt} of {id} is live in lives {sorted(seen)}"


def none_runs_twice_unless_it_may(record):
    """A job is started once; one that may be run again at most three times, each under a number of
    its own."""
    starts = {}
    for id, looks in record.looks.items():
        may_again = record.may_again.get(id, False)
        for _, entry in looks:
            job = entry["job"]
            if job["attempt"] > (MOST if may_again else 1):
                yield f"{id} was started {job['attempt']} times"
            if not may_again and job["state"] == "queued" and job["attempt"] > 0:
                yield f"{id} was started and waits again in life {entry['life']}"
            if "started" in job:
                first = starts.setdefault((id, job["attempt"]), job["started"])
                # One that waits again keeps the time of its last start.
                if first != job["started"]:
                    yield f"attempt {job['attempt']} of {id} began {first} and {job['started']}"
    for id, before, after in record.pairs():
        if after["job"]["attempt"] < before["job"]["attempt"]:
            yield f"{id}: attempt {after['job']['attempt']} after {before['job']['attempt']}"


def ends_are_final(record):
    """A job that has ended stays as it is: state, reason, attempt, time."""
    for id, before, after in record.pairs():
        if before["job"]["state"] in ENDS:
            for name in ("state", "why", "attempt", "ended", "seq"):
                was, now = before["job"].get(name), after["job"].get(name)
                if was != now:
                    yield f"{id} had ended; {name} was {was} and is {now} in life {after['life']}"


def each_key_is_one_job(record):
    """A key is answered with one job however often and in whichever life it is sent, and told as
    replayed if it was answered before."""
    jobs, keys = {}, {}
    for index, entry in record.of("acked"):
        key, id = entry["key"], entry["id"]
        first, since = jobs.setdefault(key, (id, index))
        if first != id:
            yield f"{key} was {first} and is {id} in life {entry['life']}"
        # Of two that are out at the same time the second answer may come first.
        elif since < entry["sent"] and not entry["replayed"]:
            yield f"{key} was {id}; sent again in life {entry['life']} it is not told as replayed"
        if keys.setdefault(id, key) != key:
            yield f"{id} is the job of {keys[id]} and of {key}"


def stops_hold(record):
    """A job whose stop was acknowledged ends as stopped, and is not started any more."""
    stopped = {}
    for index, entry in record.of("did"):
        if entry["op"] == "stop" and entry["changed"]:
            stopped.setdefault(entry["id"], (index, entry))
    for id, (index, entry) in stopped.items():
        for _, look in record.looks[id]:
            if look["since"] <= index:
                continue
            job = look["job"]
            if job["state"] not in ("stopping", "stopped"):
                yield f"{id} was stopped, and is {job['state']} in life {look['life']}"


def pauses_hold(record):
    """After an acknowledged pause or resume the job is wanted so until another command is sent, in
    the next life of the server, too; one that is paused is not started."""
    # In the order of the record: what was wanted last, since when, and of which attempt.
    wanted, latest = {}, {}
    spans = collections.defaultdict(list)
    for index, entry in record.of("told", "did"):
        id = entry["id"]
        if id in wanted:
            spans[id].append((*wanted.pop(id), index))
        if entry["k"] == "told":
            latest[id] = index
        elif entry["op"] in ("pause", "resume") and entry["desired"] != "stop":
            # Only if no other command was out meanwhile.
            if latest.get(id) == entry["sent"]:
                desired = "pause" if entry["op"] == "pause" else "run"
                wanted[id] = (desired, index)
    end = len(record.entries)
    for id, (desired, index) in wanted.items():
        spans[id].append((desired, index, end))
    for id, of_job in spans.items():
        for desired, begin, end in of_job:
            attempts = set()
            for at, look in record.looks[id]:
                if look["since"] <= begin or at >= end or look["job"]["state"] in ENDS:
                    continue
                if look["job"]["desired"] != desired:
                    yield (f"{id} is to {desired}, and {look['job']['desired']} is wanted in life "
                           f"{look['life']}")
                attempts.add(look["job"]["attempt"])
            if desired == "pause" and len(attempts) > 1:
                yield f"{id} was paused, and started: attempts {sorted(attempts)}"


def results_are_whole(record):
    """Each completed job has a result, and jobs of one shape have the same."""
    digests = {}
    for _, entry in record.of("barren"):
        yield f"{entry['id']} is completed and has no result: {entry['status']}"
    had = set()
    for _, entry in record.of("result"):
        had.add(entry["id"])
        first = digests.setdefault(entry["shape"], entry["digest"])
        if first != entry["digest"]:
            yield f"{entry['id']}: another result than other jobs of shape {entry['shape']}"
    for id, looks in record.looks.items():
        if looks[-1][1]["job"]["state"] == "completed" and id not in had:
            yield f"{id} is completed, and its result was not read"


def figures_add_up(record):
    """In each answer of the figures the states add up to the total, and no more run than may."""
    for _, entry in record.of("stats"):
        body = entry["body"]
        if sum(body["by_state"].values()) != body["total"]:
            yield f"life {entry['life']}: {body}"
        if body["running"] > body["max_running"]:
            yield f"life {entry['life']}: {body['running']} run of {body['max_running']}"


RULES = [none_is_lost, nothing_comes_from_nowhere, none_is_left_running,
         none_runs_twice_unless_it_may, ends_are_final, each_key_is_one_job, stops_hold,
         pauses_hold, results_are_whole, figures_add_up]


def check(entries):
    """What each rule finds, by its name."""
    record = Record(entries)
    return {rule.__name__: list(dict.fromkeys(rule(record))) for rule in RULES}
