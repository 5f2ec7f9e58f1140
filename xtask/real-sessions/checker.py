"""Was what clients saw right? Judges a record of sessions; knows no network and no clock.

A record is a list of objects in the order in which the clients wrote them down, each with `k`:

    open      conn                     a socket (or event stream) was opened
    sent      conn? re op session ...  a command went out; `re` is its client_msg_id or key
    answered  re ok body               what came back: the result, or the problem
    asked     conn session epoch? seq? a subscription was asked for
    frame     conn frame               what came in on a socket
    closed    conn                     it is gone
    stream    session run events       one run's events over HTTP, from its submission on
    log       session epoch events     at the end: all events that the session still has
    runs      session items            at the end: all runs of the session
    memory    session items            at the end: its memory
    session   session body             at the end: what it says of itself

A server may forget the events before a clear. What sockets saw of them is put in their place; where
nobody looked, there is a hole, and nothing is said of it.

`at` is wall time in seconds where it matters. `check` answers findings: rule, session, what.
"""

import collections
import datetime

TERMINAL = {
    "succeeded", "failed", "cancelled", "superseded", "rolled_back", "timed_out", "lost",
    "consumed",
}
# What may be told of a run when it has ended: twice ended it is never, and a rollback takes back.
ENDING = {"run.finished", "run.abandoned", "memory.changed"}
Finding = collections.namedtuple("Finding", "rule session what")


class Session:
    """What a record holds of one session."""

    def __init__(self, name):
        self.name = name
        self.entries = []  # Of this session alone, in order.
        self.kept, self.log, self.epoch = [], [], None
        self.runs, self.memory, self.body = None, None, None
        self.sent, self.answers = {}, collections.defaultdict(list)

    def add(self, entry):
        self.entries.append(entry)
        kind = entry["k"]
        if kind == "sent":
            # A command that is sent again is the same command.
            self.sent.setdefault(entry["re"], entry)
        elif kind == "answered":
            self.answers[entry["re"]].append(entry)
        elif kind == "log":
            self.kept, self.epoch = entry["events"], entry["epoch"]
        elif kind == "runs":
            self.runs = {run["run"]: run for run in entry["items"]}
        elif kind == "memory":
            self.memory = entry["items"]
        elif kind == "session":
            self.body = entry["body"]

    def close(self):
        """All that is known of the log: what is kept, and before it what was seen."""
        known = {}
        for entry in self.entries:
            frame = entry.get("frame", {})
            if frame.get("type") == "event" and frame["epoch"] == self.epoch:
                known.setdefault(frame["seq"], frame)
        self.first = self.kept[0]["seq"] if self.kept else 1
        seen = [known[seq] for seq in sorted(known) if seq < self.first]
        self.log = seen + self.kept
        self.whole = [event["seq"] for event in seen] == list(range(1, self.first))
        clears = [e["data"]["era"] for e in self.log if e["event"] == "session.cleared"]
        self.era = max(clears, default=0)

    def stretches(self):
        """The log, in pieces without a hole."""
        piece = []
        for event in self.log:
            if piece and event["seq"] > piece[-1]["seq"] + 1:
                yield piece
                piece = []
            piece.append(event)
        yield piece

    def forgotten(self, run):
        """Whether it is a run of before the last clear, of which the log may know no more."""
        listed = (self.runs or {}).get(run)
        return bool(listed) and not self.whole and listed["era"] < self.era

    def accepted(self, op):
        """Commands of a kind that were answered well, with each answer."""
        for re, answers in self.answers.items():
            command = self.sent.get(re)
            if command and command["op"] == op:
                for answer in answers:
                    if answer["ok"]:
                        yield command, answer

    def events(self, *names):
        return [event for event in self.log if event["event"] in names]


def sessions(entries):
    found = {}
    for entry in entries:
        name = entry.get("session") or entry.get("frame", {}).get("session")
        if name is not None:
            found.setdefault(name, Session(name)).add(entry)
    for session in found.values():
        session.close()
    return found


def by_conn(session):
    found = collections.defaultdict(list)
    for entry in session.entries:
        if entry["k"] in ("asked", "frame"):
            found[entry["conn"]].append(entry)
    return found


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# What the log itself must be.


def log_is_dense(session):
    """What is kept of the log counts without a gap, in one epoch; only a clear forgets."""
    for index, event in enumerate(session.kept, session.first):
        if event["seq"] != index:
            yield f"event {index} of the log has seq {event['seq']}"
            return
        if event.get("epoch", session.epoch) != session.epoch:
            yield f"seq {index} is of epoch {event['epoch']}, the log of {session.epoch}"
    last = session.first + len(session.kept) - 1
    if session.body and session.body["head"] != last:
        yield f"the session says head {session.body['head']}, its log ends at {last}"
    cleared = any(event["event"] == "session.cleared" for event in session.kept)
    if session.first > 1 and not cleared:
        yield f"the log begins at {session.first}, and nothing was cleared since"


def one_run_at_a_time(session):
    """From its start to its end no run meets another: by the order of events."""
    for events in session.stretches():
        live = None
        for event in events:
            run, name = event.get("run"), event["event"]
            started = name == "run.started" or (
                name == "run.created" and event["data"].get("status") == "starting"
            )
            if started:
                if live not in (None, run):
                    yield f"seq {event['seq']}: run {run} starts while run {live} has the slot"
                live = run
            elif name == "run.finished" and run == live:
                live = None


def one_run_at_a_time_by_the_clock(session):
    """The same by `started` and `ended` of the runs."""
    timed = [run for run in (session.runs or {}).values() if run.get("started")]
    timed.sort(key=lambda run: seconds(run["started"]))
    for before, after in zip(timed, timed[1:]):
        if not before.get("ended"):
            yield f"run {before['run']} started and has no end, run {after['run']} started later"
        elif seconds(before["ended"]) > seconds(after["started"]):
            yield (
                f"run {before['run']} ended {before['ended']}, "
                f"run {after['run']} had started {after['started']}"
            )


def one_end_each(session):
    """Each run of the log ends exactly once, with a status of an end, and `runs` says the same."""
    ends = collections.Counter(event["run"] for event in session.events("run.finished"))
    created = collections.Counter(event["run"] for event in session.events("run.created"))
    for run, count in created.items():
        if count > 1:
            yield f"run {run} was created {count} times"
        if ends[run] > 1 or (ends[run] == 0 and not session.forgotten(run)):
            yield f"run {run} has {ends[run]} ends"
    for event in session.events("run.finished"):
        run, status = event["run"], event["data"].get("status")
        if run not in created and not session.forgotten(run):
            yield f"run {run} ended and was never created"
        if status not in TERMINAL:
            yield f"run {run} ended as `{status}`"
        listed = (session.runs or {}).get(run)
        if session.runs is not None and listed is None:
            yield f"run {run} ended and is not listed"
        elif listed and listed["status"] != status:
            yield f"run {run} ended as `{status}`, and is listed as `{listed['status']}`"
    for run in session.runs or {}:
        if run not in created and not session.forgotten(run):
            yield f"run {run} is listed and was never created"


def nothing_after_its_end(session):
    """After a run's end the log, and each socket, has nothing of it."""
    views = [("the log", [("event", event) for event in session.log])]
    for conn, entries in by_conn(session).items():
        frames = [entry["frame"] for entry in entries if entry["k"] == "frame"]
        views.append((conn, [(frame["type"], frame) for frame in frames]))
    for who, frames in views:
        ended = set()
        for kind, frame in frames:
            if kind not in ("event", "delta", "partial"):
                continue
            run, name = frame.get("run"), frame.get("event", kind)
            if run in ended and name not in ENDING:
                yield f"{who}: {name} of run {run} after its end"
            if name == "run.finished":
                ended.add(run)


def nothing_of_an_earlier_era(session):
    """After a clear the log, and each socket, has nothing of an earlier run but its end."""
    # The list knows it also of runs whose beginning nobody saw.
    born = {run["run"]: run["era"] for run in (session.runs or {}).values()}
    era = 0
    for event in session.log:
        if event["event"] == "session.cleared":
            if event["data"]["era"] <= era:
                yield f"seq {event['seq']}: era {event['data']['era']} after era {era}"
            era = event["data"]["era"]
        elif event["event"] == "run.created" and session.whole:
            if born.setdefault(event["run"], era) != era:
                yield f"run {event['run']} began in era {era}, and is listed in another"
    views = [("the log", [("event", event) for event in session.log])]
    for conn, entries in by_conn(session).items():
        frames = [entry["frame"] for entry in entries if entry["k"] == "frame"]
        views.append((conn, [(frame["type"], frame) for frame in frames]))
    for who, frames in views:
        era = 0
        for kind, frame in frames:
            name = frame.get("event", kind)
            if kind == "resync":
                era = frame["snapshot"]["era"]
            if name == "session.cleared":
                era = frame["data"]["era"]
            if kind in ("event", "delta", "partial") and "run" in frame:
                run, of = frame["run"], born.get(frame["run"], era)
                if of < era and name not in ("run.finished", "run.abandoned"):
                    yield f"{who}: {name} of run {run} of era {of}, in era {era}"


def queued_in_order(session):
    """Who waits in the queue starts in the order of arrival; only an interrupt goes before."""
    for events in session.stretches():
        waiting = []
        for event in events:
            run, name, data = event.get("run"), event["event"], event["data"]
            if name == "run.created":
                first = data["on_conflict"] in ("interrupt", "rollback")
                if data["status"] == "queued" and not first:
                    waiting.append(run)
            elif name == "run.started" and run in waiting:
                earlier = waiting[: waiting.index(run)]
                if earlier:
                    yield f"seq {event['seq']}: run {run} starts before {earlier[0]}"
                waiting.remove(run)
            elif name == "run.finished" and run in waiting:
                waiting.remove(run)


def policies_change_what_happens(session):
    """Reject never waits; an interrupt's and a rollback's victim does not succeed."""
    status = {event["run"]: event["data"].get("status") for event in session.events("run.finished")}
    for events in session.stretches():
        live = None
        for event in events:
            run, name, data = event.get("run"), event["event"], event["data"]
            if name == "run.created":
                policy, starts = data["on_conflict"], data["status"] == "starting"
                if policy == "reject" and not starts:
                    yield f"run {run} was to be rejected and waits"
                if starts and live is not None:
                    yield f"run {run} starts at once while run {live} has the slot"
                if policy in ("interrupt", "rollback") and status.get(live) == "succeeded":
                    yield f"run {live} succeeded although run {run} came with {policy}"
                if starts:
                    live = run
            elif name == "run.started":
                live = run
            elif name == "run.finished" and run == live:
                live = None


# What was answered, against the log.


def accepted_is_kept(session):
    """An accepted submission has its run, one alone, however often it was sent."""
    made = collections.defaultdict(set)
    created = {event["run"]: event for event in session.events("run.created")}
    for command, answer in session.accepted("submit"):
        made[command["re"]].add(answer["body"]["run"])
    for re, runs in made.items():
        if len(runs) > 1:
            yield f"message {re} made the runs {sorted(runs)}"
        for run in runs:
            event = created.get(run)
            if event is None and session.forgotten(run):
                continue
            if event is None:
                yield f"message {re} was accepted as run {run}, which is not in the log"
            elif event["data"]["input"] != session.sent[re]["input"]:
                yield f"run {run} has not the input of message {re}"
    inputs = collections.Counter(str(event["data"]["input"]) for event in created.values())
    for re, command in session.sent.items():
        if command["op"] != "submit":
            continue
        count, answers = inputs[str(command["input"])], session.answers[re]
        if count > 1:
            yield f"the input of message {re} is in {count} runs"
        if count and answers and not any(answer["ok"] for answer in answers):
            yield f"message {re} was refused and has a run all the same"


def one_answer_each(session):
    """Each sending of a command is answered at most once, and nobody answers what wasn't asked."""
    sendings = collections.Counter(e["re"] for e in session.entries if e["k"] == "sent")
    for re, answers in session.answers.items():
        if sendings[re] == 0:
            yield f"an answer to {re}, which nobody sent"
        elif len(answers) > sendings[re]:
            yield f"{len(answers)} answers to {re}, sent {sendings[re]} times"


def refusals_name_who_was_there(session):
    """Who is told "busy" is told the run that was there between question and answer."""
    lived = {}
    for run in (session.runs or {}).values():
        end = seconds(run["ended"]) if run.get("ended") else float("inf")
        lived[run["run"]] = (seconds(run["created"]), end)
    for re, answers in session.answers.items():
        for answer in answers:
            body = answer["body"]
            if answer["ok"] or body.get("code") != "session-busy":
                continue
            run = body.get("active_run")
            if run not in lived:
                yield f"message {re}: busy with run {run}, which is not listed"
            elif session.sent[re]["op"] == "submit":
                begin, end = lived[run]
                # A cleared run has ended before its task is gone: then the slot is held for longer.
                grace = 15 if session.runs[run]["status"] == "cancelled" else 0.005
                if begin > answer["at"] + 0.005 or end + grace < session.sent[re]["at"]:
                    yield f"message {re}: busy with run {run}, which was not there then"


def cancelled_stays_cancelled(session):
    """What a cancel changed does not succeed."""
    status = {event["run"]: event["data"].get("status") for event in session.events("run.finished")}
    for command, answer in session.accepted("cancel"):
        body = answer["body"]
        if body.get("changed") and status.get(body.get("run")) in ("succeeded", "consumed"):
            yield f"run {body['run']} was cancelled by {command['re']} and succeeded"


def clears_are_in_the_log(session):
    """A clear stands in the log where its answer says."""
    there = {event["seq"]: event for event in session.log}
    for command, answer in session.accepted("clear"):
        seq, era = answer["body"]["seq"], answer["body"]["era"]
        event = there.get(seq)
        if event is None and seq < session.first:
            continue
        if not event or event["event"] != "session.cleared" or event["data"]["era"] != era:
            yield f"clear {command['re']} is said to be era {era} at seq {seq}, and is not there"


def one_of_two_writers_wins(session):
    """Of the writes that replace the same memory, one succeeds."""
    won = collections.defaultdict(set)
    for command, _ in session.accepted("replace"):
        won[command["tag"]].add(command["re"])
    for tag, winners in won.items():
        if len(winners) > 1:
            yield f"{sorted(winners)} each replaced the memory {tag}"


# What each socket saw.


def no_gap_no_double(session):
    """From its position on, a socket sees each event once; only a resync moves the position."""
    for conn, entries in by_conn(session).items():
        asked, at, epoch = None, None, None
        for entry in entries:
            if entry["k"] == "asked":
                asked = (entry.get("epoch"), entry.get("seq"))
                continue
            frame = entry["frame"]
            kind = frame["type"]
            if kind == "subscribed":
                epoch, mode = frame["epoch"], frame["mode"]
                if mode == "resumed":
                    at = asked[1] if asked else None
                    if asked is None or asked[0] != epoch:
                        yield f"{conn}: resumed in epoch {epoch}, asked was {asked}"
                    elif at > frame["head"]:
                        yield f"{conn}: resumed at {at}, beyond head {frame['head']}"
                else:
                    at = frame["head"] if mode == "fresh" else None
                if mode == "fresh" and asked and asked[1] is not None:
                    yield f"{conn}: asked to resume at {asked}, got a fresh start without a word"
            elif kind == "resync":
                at, epoch = frame["seq"], frame["epoch"]
            elif kind == "event":
                if at is None:
                    yield f"{conn}: seq {frame['seq']} before a position was told"
                elif frame["epoch"] != epoch:
                    yield f"{conn}: seq {frame['seq']} of epoch {frame['epoch']}, told was {epoch}"
                elif frame["seq"] <= at:
                    yield f"{conn}: seq {frame['seq']} again, after {at}"
                elif frame["seq"] > at + 1:
                    yield f"{conn}: seq {frame['seq']} after {at}"
                at = frame["seq"]


def sockets_saw_the_log(session):
    """What any socket saw as (epoch, seq) is what the log has there: all saw the same."""
    known = {(session.epoch, event["seq"]): event for event in session.log}
    for conn, entries in by_conn(session).items():
        for entry in entries:
            frame = entry.get("frame", {})
            if frame.get("type") != "event":
                continue
            event = known.setdefault((frame["epoch"], frame["seq"]), frame)
            # A store dates a clear itself, a moment after it is first told.
            dated = frame["event"] != "session.cleared"
            for field in ("event", "run", "data") + ("at",) * dated:
                if event.get(field) != frame.get(field):
                    yield (
                        f"{conn}: seq {frame['seq']} has {field} {frame.get(field)!r}, "
                        f"elsewhere {event.get(field)!r}"
                    )


def staying_sockets_saw_the_end(session):
    """A socket that was still open at the end saw the log's last event."""
    gone = {entry["conn"] for entry in session.entries if entry["k"] == "closed"}
    for conn, entries in by_conn(session).items():
        frames = [entry["frame"] for entry in entries if entry["k"] == "frame"]
        seen = [f["seq"] for f in frames if f["type"] in ("event", "resync")]
        begun = [f for f in frames if f["type"] == "subscribed"]
        seen += [f["head"] for f in begun if f["mode"] == "fresh"]
        last = session.log[-1]["seq"] if session.log else 0
        if seen and conn not in gone and max(seen) < last:
            yield f"{conn}: stayed and saw seq {max(seen)} last of {last}"


def texts_have_no_hole(session):
    """The pieces of a message fit together, and its end tells the text that they began."""
    for conn, entries in by_conn(session).items():
        have, live_from = {}, 0
        for entry in entries:
            frame = entry.get("frame", {})
            kind, message = frame.get("type"), frame.get("message_id")
            if kind in ("subscribed", "resync"):
                have.clear()
                live_from = max(live_from, frame.get("head", 0))
            elif kind == "delta":
                offset, text = frame["offset"], have.get(message)
                length = len(text or "")
                if text is None and offset:
                    yield f"{conn}: message {message} begins at {offset}"
                elif offset != length:
                    what = "a hole" if offset > length else "an overlap"
                    yield f"{conn}: message {message} has {what} at {offset}, after {length}"
                have[message] = (text or "")[:offset] + frame["text"]
            elif kind == "partial":
                if frame["upto"] != len(frame["text"]):
                    yield f"{conn}: message {message} up to {frame['upto']} has another length"
                if not frame["text"].startswith(have.get(message, "")):
                    yield f"{conn}: message {message} is told anew, and differs"
                have[message] = frame["text"]
            elif kind == "event" and frame["event"] == "message.started":
                # One that is caught up with has its pieces behind it.
                if frame["seq"] > live_from:
                    have[frame["data"]["message_id"]] = ""
            elif kind == "event" and frame["event"] == "message.completed":
                message, text = frame["data"]["message_id"], frame["data"]["text"]
                # The last words may come with the end alone.
                if not text.startswith(have.get(message, "")):
                    yield f"{conn}: the pieces of message {message} are not its text"


def streams_are_the_runs(session):
    """A run's own stream has its events of the log, and ends with its end."""
    for entry in session.entries:
        if entry["k"] != "stream":
            continue
        run = entry["run"]
        seen = [event["seq"] for event in entry["events"]]
        mine = [event for event in session.log if event.get("run") == run]
        # What it takes back after its end is not its own stream's.
        ended = [event["seq"] for event in mine if event["event"] == "run.finished"]
        there = [event["seq"] for event in mine if not ended or event["seq"] <= ended[0]]
        known = session.whole or (seen and seen[0] >= session.first)
        if seen and known and seen != [seq for seq in there if seq >= seen[0]]:
            yield f"the stream of run {run} has {seen}, the log {there}"
        names = [event["event"] for event in entry["events"]]
        if entry.get("whole") and names[-1:] != ["run.finished"]:
            yield f"the stream of run {run} ends with {names[-1:]}"


# What is kept.


def fold(session, upto=None):
    """The memory as the events leave it: role, text, run, whether it must be there, and the run
    that takes it back if it is rolled back."""
    writes = {}
    for op in ("note", "replace"):
        for command, answer in session.accepted(op):
            writes[answer["body"]["seq"]] = command
    items, inputs, said, live = [], {}, set(), None
    for event in session.log if session.whole else session.kept:
        if upto is not None and event["seq"] > upto:
            break
        run, name, data = event.get("run"), event["event"], event["data"]
        if name == "run.created":
            inputs[run] = data["input"]
            if data["status"] == "starting":
                said.add(run)
                items.append(("user", data["input"], run, False, run))
        elif name == "queue.changed" and run in inputs and run not in said:
            # It comes out of the queue; whether it starts, what follows tells.
            said.add(run)
            items.append(("user", inputs[run], run, False, run))
        elif name == "run.started":
            live = run
            mine = ("user", inputs.get(run), run)
            if mine + (False, run) in items:
                items[items.index(mine + (False, run))] = mine + (True, run)
            else:
                items.append(mine + (True, run))
        elif name == "message.completed":
            items.append(("assistant", data["text"], run, True, run))
        elif name == "run.finished" and data.get("status") == "consumed":
            # Read by the run that goes on: a further message in it.
            items.append(("user", inputs.get(run), run, True, live))
        elif name == "memory.changed" and run is not None:
            # Its end was a rollback, or a rollback came while it was being stopped.
            items = [item for item in items if item[4] != run]
        elif name == "session.cleared":
            items = []
        elif name == "memory.changed" and event["seq"] in writes:
            write = writes[event["seq"]]
            if write["op"] == "replace":
                items = [(i["role"], i["text"], None, True, None) for i in write["items"]]
            else:
                items.append((write["role"], write["text"], None, True, None))
        elif name == "memory.changed":
            # A note whose answer was lost: nobody knows what it says.
            items.append(("note", None, None, False, None))
    return items


def plain(item):
    text = item["text"]
    return (item["role"], text, item.get("run"))


def compare(folded, kept):
    """What is wrong with a memory, or None. An input that never started may be there or not."""
    kept = [plain(item) for item in kept]
    at = 0
    for role, text, run, needed, _ in folded:
        there = kept[at] if at < len(kept) else (None, None, None)
        if there[0] == role and text in (there[1], None) and there[2] in (run, None):
            at += 1
        elif needed:
            return f"item {at}: the events make {(role, text, run)}, there is {there}"
    if at < len(kept):
        return f"item {at}: {kept[at]}, which the events do not make"
    return None


def memory_is_the_fold(session):
    """The memory is what the events, one after the other, make of it."""
    if session.memory is not None:
        wrong = compare(fold(session), session.memory)
        if wrong:
            yield wrong


def rolled_back_leaves_nothing(session):
    """Of a run that ended as rolled back the memory has nothing."""
    gone = {run["run"] for run in (session.runs or {}).values() if run["status"] == "rolled_back"}
    for item in session.memory or []:
        if item.get("run") in gone:
            yield f"run {item['run']} was rolled back, and what the {item['role']} said is there"


def snapshots_are_the_fold(session):
    """A resync shows the memory as it was at its seq."""
    for entry in session.entries:
        frame = entry.get("frame", {})
        if frame.get("type") == "resync" and frame["epoch"] == session.epoch and session.whole:
            wrong = compare(fold(session, frame["seq"]), frame["snapshot"]["items"])
            if wrong:
                yield f"{entry['conn']}: the snapshot at {frame['seq']}: {wrong}"


def at_rest(session):
    """At the end nothing runs and nothing waits."""
    if session.body:
        slot, queue = session.body["slot"]["state"], session.body["queue"]
        if slot != "idle" or queue:
            yield f"the slot is {slot}, {len(queue)} wait"
    for run in (session.runs or {}).values():
        if run["status"] not in TERMINAL:
            yield f"run {run['run']} is {run['status']}"


# What a killed server must have kept.


def after_a_restart(before, now):
    """What is missing or changed in a session whose server was killed and is back.

    `before`: what clients knew: `epoch`, `log` (all events that were read), `seen` (by seq, what
    sockets showed), `accepted` (by key, the command and its result). `now`: `epoch`, `log`, `runs`
    as they are after the restart at `boot`, in seconds.
    """
    log = {event["seq"]: event for event in now["log"]}
    first = min(log, default=1)
    eras = [e["data"]["era"] for e in now["log"] if e["event"] == "session.cleared"]
    era = max(eras, default=0)
    if before["epoch"] not in (None, now["epoch"]):
        yield f"epoch {before['epoch']} became {now['epoch']}"
        return
    if first > 1 and not eras:
        yield f"the log begins at {first}, and nothing was cleared since"
    for event in list(before["log"]) + list(before["seen"].values()):
        seq, there = event["seq"], log.get(event["seq"])
        if there is None:
            # What is before a clear may be forgotten.
            if seq >= first:
                yield f"seq {seq}, which was shown as {event['event']}, is gone"
        elif any(there.get(field) != event.get(field) for field in ("event", "run", "data")):
            yield f"seq {seq} was shown as {event['event']} and is {there['event']}, or another"
    created = {e["run"]: e for e in now["log"] if e["event"] == "run.created"}
    runs = {run["run"]: run for run in now["runs"]}
    for key, (command, result) in before["accepted"].items():
        if command["op"] == "submit":
            run = result["run"]
            forgotten = first > 1 and run in runs and runs[run]["era"] < era
            if run not in runs or (run not in created and not forgotten):
                yield f"message {key} was accepted as run {run}, which is gone"
            elif run in created and created[run]["data"]["input"] != command["input"]:
                yield f"run {run} was that of message {key} and is another's: the id was used again"
        elif command["op"] in ("clear", "note") and result["seq"] >= first:
            name = {"clear": "session.cleared", "note": "memory.changed"}[command["op"]]
            if log.get(result["seq"], {}).get("event") != name:
                yield f"{command['op']} {key} was done at seq {result['seq']} and is gone"
    for run in now["runs"]:
        begun = run.get("started")
        if run["status"] not in TERMINAL and begun and seconds(begun) < now["boot"]:
            yield f"run {run['run']} is {run['status']} since before the restart"


RULES = [
    log_is_dense, one_run_at_a_time, one_run_at_a_time_by_the_clock, one_end_each,
    nothing_after_its_end, nothing_of_an_earlier_era, queued_in_order,
    policies_change_what_happens, accepted_is_kept, one_answer_each, refusals_name_who_was_there,
    cancelled_stays_cancelled, clears_are_in_the_log, one_of_two_writers_wins, no_gap_no_double,
    sockets_saw_the_log, staying_sockets_saw_the_end, texts_have_no_hole, streams_are_the_runs,
    memory_is_the_fold, rolled_back_leaves_nothing, snapshots_are_the_fold, at_rest,
]


def check(entries):
    """All findings of all rules over a record."""
    found = []
    for session in sessions(entries).values():
        for rule in RULES:
            found += [Finding(rule.__name__, session.name, what) for what in rule(session)]
    return found
