"""Does the checker find what it is there for? A good record passes; each forged one is found."""

import copy
import unittest

import checker


def event(seq, name, run=None, **data):
    made = {"type": "event", "session": "s", "epoch": "e1", "seq": seq, "at": f"t{seq}",
            "event": name, "data": data}
    return made | ({"run": run} if run else {})


def finished(seq, run, status):
    return event(seq, "run.finished", run, status=status)


def created(seq, run, text, status, policy):
    return event(seq, "run.created", run, input=text, status=status, on_conflict=policy)


def log():
    """One run that ends well, one in the queue, an interrupt, a note, a clear, a run after it."""
    return [
        created(1, "1", "one", "starting", "reject"),
        event(2, "run.started", "1"),
        created(3, "2", "two", "queued", "enqueue"),
        event(4, "message.started", "1", message_id="m1", role="assistant"),
        event(5, "message.completed", "1", message_id="m1", text="Hello you"),
        finished(6, "1", "succeeded"),
        event(7, "run.started", "2"),
        created(8, "3", "three", "queued", "interrupt"),
        event(9, "run.stopping", "2", reason="superseded"),
        finished(10, "2", "superseded"),
        event(11, "run.started", "3"),
        event(12, "run.stopping", "3", reason="user"),
        finished(13, "3", "cancelled"),
        event(14, "session.cleared", era=1),
        event(15, "memory.changed", tag="1.15"),
        created(16, "4", "four", "starting", "enqueue"),
        event(17, "run.started", "4"),
        event(18, "message.started", "4", message_id="m4", role="assistant"),
        event(19, "message.completed", "4", message_id="m4", text="Done"),
        finished(20, "4", "succeeded"),
    ]


def delta(offset, text, message="m1", run="1"):
    return {"type": "delta", "session": "s", "run": run, "message_id": message,
            "offset": offset, "text": text}


def frame(conn, body):
    return {"k": "frame", "conn": conn, "at": 0, "frame": body}


def subscribed(head, mode):
    return {"type": "subscribed", "session": "s", "epoch": "e1", "head": head, "mode": mode}


def run(number, created_at, started, ended, status):
    time = "2026-01-01T00:00:{:09.6f}Z"
    return {"run": number, "status": status, "era": int(number == "4"),
            "created": time.format(created_at), "started": time.format(started),
            "ended": time.format(ended)}


def sent(re, op, **rest):
    return {"k": "sent", "session": "s", "re": re, "op": op, "at": 0} | rest


def answered(re, ok, body, at=0):
    return {"k": "answered", "session": "s", "re": re, "ok": ok, "body": body, "at": at}


BEGIN = checker.seconds("2026-01-01T00:00:00Z")


def good():
    events = log()
    a = [{"k": "asked", "session": "s", "conn": "a", "epoch": None, "seq": None},
         frame("a", subscribed(0, "fresh"))]
    for one in events:
        a.append(frame("a", one))
        if one["seq"] == 4:
            a += [frame("a", delta(0, "Hello")), frame("a", delta(5, " you"))]
        if one["seq"] == 18:
            a.append(frame("a", delta(0, "Done", "m4", "4")))
    # Comes in the middle of a message, goes, and comes back.
    b = [{"k": "asked", "session": "s", "conn": "b", "epoch": None, "seq": None},
         frame("b", subscribed(4, "fresh")),
         frame("b", {"type": "partial", "session": "s", "run": "1", "message_id": "m1",
                     "upto": 5, "text": "Hello"}),
         frame("b", delta(5, " you")), frame("b", events[4]), frame("b", events[5]),
         {"k": "closed", "session": "s", "conn": "b"},
         {"k": "asked", "session": "s", "conn": "c", "epoch": "e1", "seq": 6},
         frame("c", subscribed(20, "resumed"))]
    b += [frame("c", one) for one in events[6:]]
    # Was away for longer than anything is kept.
    d = [{"k": "asked", "session": "s", "conn": "d", "epoch": "e0", "seq": 3},
         frame("d", subscribed(15, "resync")),
         frame("d", {"type": "resync", "session": "s", "epoch": "e1", "seq": 15,
                     "snapshot": {"era": 1, "items": [{"role": "note", "text": "note"}]}})]
    d += [frame("d", one) for one in events[15:18]]
    d += [frame("d", delta(0, "Done", "m4", "4"))] + [frame("d", one) for one in events[18:]]
    commands = [
        sent("c1", "submit", input="one"), answered("c1", True, {"run": "1"}),
        sent("c2", "submit", input="two"), answered("c2", True, {"run": "2"}),
        sent("c3", "submit", input="three"), answered("c3", True, {"run": "3"}),
        sent("c4", "submit", input="four"), answered("c4", True, {"run": "4"}),
        sent("c4", "submit", input="four"), answered("c4", True, {"run": "4", "replayed": True}),
        sent("c5", "submit", input="five", at=BEGIN + 1.5),
        answered("c5", False, {"code": "session-busy", "active_run": "1"}, at=BEGIN + 1.6),
        sent("c6", "cancel"), answered("c6", True, {"changed": True, "run": "3"}),
        sent("c7", "clear"), answered("c7", True, {"era": 1, "seq": 14}),
        sent("c8", "note", role="note", text="note"), answered("c8", True, {"seq": 15}),
        sent("c9", "replace", tag="1.14", items=[]), answered("c9", False, {"code": "stale-tag"}),
    ]
    end = [
        {"k": "stream", "session": "s", "run": "4", "whole": True, "events": events[15:]},
        {"k": "log", "session": "s", "epoch": "e1", "events": events},
        {"k": "runs", "session": "s", "items": [
            run("1", 1, 1, 2, "succeeded"), run("2", 1.5, 2, 3, "superseded"),
            run("3", 2.5, 3, 4, "cancelled"), run("4", 5, 5, 6, "succeeded")]},
        {"k": "memory", "session": "s", "items": [
            {"role": "note", "text": "note"}, {"role": "user", "text": "four", "run": "4"},
            {"role": "assistant", "text": "Done", "run": "4"}]},
        {"k": "session", "session": "s",
         "body": {"head": 20, "slot": {"state": "idle"}, "queue": []}},
    ]
    return a + b + d + commands + end


def one(record, kind, **fields):
    """The entry of a record with these fields."""
    for entry in record:
        if entry["k"] == kind and all(entry.get(name) == value for name, value in fields.items()):
            return entry
    raise AssertionError(f"no {kind} with {fields}")


def logged(record, seq):
    """A copy of an event that all see and that may be changed for all."""
    events = one(record, "log")["events"]
    changed = copy.deepcopy(events[seq - 1])
    for entry in record:
        if entry.get("frame", {}).get("seq") == seq and entry["frame"]["type"] == "event":
            entry["frame"] = changed
    events[seq - 1] = changed
    return changed


def place(record, conn, seq):
    """Where on a socket an event is."""
    for index, entry in enumerate(record):
        if entry["k"] == "frame" and entry["conn"] == conn and entry["frame"].get("seq") == seq:
            return index
    raise AssertionError(f"{conn} has no {seq}")


class Good(unittest.TestCase):
    def test_a_good_record_has_no_finding(self):
        self.assertEqual(checker.check(good()), [])


    def test_a_note_whose_answer_was_lost_may_say_anything(self):
        record = good()
        record.remove(one(record, "answered", re="c8"))
        one(record, "memory")["items"][0]["text"] = "whatever"
        self.assertEqual(
            [f for f in checker.check(record) if f.rule == "memory_is_the_fold"], [])


    def test_what_a_clear_forgets_was_seen_or_is_not_known(self):
        record = good()
        one(record, "log")["events"] = log()[13:]
        self.assertEqual(checker.check(record), [], "the first socket saw it all")
        alone = [e for e in record if e.get("conn") not in ("a", "b", "c")]
        self.assertEqual(checker.check(alone), [], "nobody saw it")


class Forged(unittest.TestCase):
    """Each changes one thing of the good record; the rule named must find it."""

    def found(self, rule, forge):
        record = copy.deepcopy(good())
        forge(record)
        findings = checker.check(record)
        self.assertIn(rule, {finding.rule for finding in findings}, findings)

    def test_a_hole_in_the_log(self):
        self.found("log_is_dense", lambda r: one(r, "log")["events"].pop(3))

    def test_a_log_that_forgets_what_was_not_cleared(self):
        def forge(r):
            del one(r, "log")["events"][:15]
        self.found("log_is_dense", forge)

    def test_a_head_that_is_not_the_logs(self):
        self.found("log_is_dense", lambda r: one(r, "session")["body"].update(head=21))

    def test_a_run_that_starts_beside_another(self):
        def forge(r):
            events = one(r, "log")["events"]
            events[5], events[6] = events[6] | {"seq": 6}, events[5] | {"seq": 7}
        self.found("one_run_at_a_time", forge)

    def test_a_run_that_starts_before_another_ended(self):
        self.found("one_run_at_a_time_by_the_clock",
                   lambda r: one(r, "runs")["items"][1].update(started="2026-01-01T00:00:01.9Z"))

    def test_a_run_without_an_end_and_one_after_it(self):
        self.found("one_run_at_a_time_by_the_clock",
                   lambda r: one(r, "runs")["items"][1].update(ended=None))

    def test_a_run_with_two_ends(self):
        self.found("one_end_each", lambda r: one(r, "log")["events"].append(
            finished(21, "4", "cancelled")))

    def test_a_run_without_an_end(self):
        self.found("one_end_each", lambda r: one(r, "log")["events"].pop())

    def test_an_end_that_is_none(self):
        self.found("one_end_each", lambda r: logged(r, 20)["data"].update(status="running"))

    def test_a_list_that_says_another_end(self):
        self.found("one_end_each", lambda r: one(r, "runs")["items"][3].update(status="failed"))

    def test_a_run_that_nobody_created(self):
        self.found("one_end_each", lambda r: one(r, "runs")["items"].append(
            run("9", 7, 7, 8, "succeeded")))

    def test_a_message_after_the_end_of_its_run(self):
        def forge(r):
            logged(r, 15).update(event="message.completed", run="3",
                                 data={"message_id": "m3", "text": "late"})
        self.found("nothing_after_its_end", forge)

    def test_a_piece_after_the_end_of_its_run(self):
        self.found("nothing_after_its_end", lambda r: r.insert(
            place(r, "a", 6) + 1, frame("a", delta(9, "!"))))

    def test_a_message_of_before_the_clear(self):
        def forge(r):
            event = logged(r, 13)
            event.update(event="session.cleared", data={"era": 1})
            del event["run"]
            logged(r, 14).update(event="message.completed", run="3",
                                 data={"message_id": "m3", "text": "late"})
        self.found("nothing_of_an_earlier_era", forge)

    def test_a_piece_of_before_the_clear(self):
        self.found("nothing_of_an_earlier_era", lambda r: r.insert(
            place(r, "a", 14) + 1, frame("a", delta(0, "late", "m3", "3"))))

    def test_an_era_that_does_not_rise(self):
        self.found("nothing_of_an_earlier_era", lambda r: logged(r, 14)["data"].update(era=0))

    def test_a_run_that_is_listed_in_another_era(self):
        self.found("nothing_of_an_earlier_era",
                   lambda r: one(r, "runs")["items"][3].update(era=0))

    def test_a_queue_that_is_overtaken(self):
        def forge(r):
            logged(r, 4).update(event="run.created", run="5",
                                data={"input": "x", "status": "queued", "on_conflict": "enqueue"})
            logged(r, 7)["run"] = "5"
        self.found("queued_in_order", forge)

    def test_a_run_that_was_to_be_rejected_and_waits(self):
        self.found("policies_change_what_happens",
                   lambda r: logged(r, 3)["data"].update(on_conflict="reject"))

    def test_an_interrupt_that_starts_at_once(self):
        self.found("policies_change_what_happens",
                   lambda r: logged(r, 8)["data"].update(status="starting"))

    def test_a_victim_that_succeeds(self):
        self.found("policies_change_what_happens",
                   lambda r: logged(r, 10)["data"].update(status="succeeded"))

    def test_an_accepted_message_that_is_lost(self):
        self.found("accepted_is_kept",
                   lambda r: one(r, "answered", re="c4")["body"].update(run="8"))

    def test_a_message_that_was_run_twice(self):
        def forge(r):
            logged(r, 8)["data"].update(input="two")
        self.found("accepted_is_kept", forge)

    def test_a_message_that_was_refused_and_run(self):
        self.found("accepted_is_kept", lambda r: one(r, "sent", re="c5").update(input="four"))

    def test_two_answers_to_one_sending(self):
        self.found("one_answer_each", lambda r: r.append(answered("c1", True, {"run": "1"})))

    def test_an_answer_to_nothing(self):
        self.found("one_answer_each", lambda r: r.append(answered("zz", True, {})))

    def test_busy_with_nobody(self):
        self.found("refusals_name_who_was_there",
                   lambda r: one(r, "answered", re="c5")["body"].update(active_run="7"))

    def test_busy_with_a_run_that_had_ended(self):
        self.found("refusals_name_who_was_there",
                   lambda r: (one(r, "sent", re="c5").update(at=BEGIN + 4.5),
                              one(r, "answered", re="c5").update(at=BEGIN + 4.6)))

    def test_a_cancelled_run_that_succeeds(self):
        self.found("cancelled_stays_cancelled",
                   lambda r: logged(r, 13)["data"].update(status="succeeded"))

    def test_a_clear_that_is_not_in_the_log(self):
        self.found("clears_are_in_the_log",
                   lambda r: one(r, "answered", re="c7")["body"].update(seq=13))

    def test_two_writers_that_replace_one_memory(self):
        def forge(r):
            for re in ("x1", "x2"):
                r.append(sent(re, "replace", tag="1.14", items=[]))
                r.append(answered(re, True, {"seq": 99}))
        self.found("one_of_two_writers_wins", forge)

    def test_a_gap_on_a_socket(self):
        self.found("no_gap_no_double", lambda r: r.pop(place(r, "a", 9)))

    def test_a_double_on_a_socket(self):
        def forge(r):
            r.insert(place(r, "a", 9), r[place(r, "a", 9)])
        self.found("no_gap_no_double", forge)

    def test_a_gap_over_a_resume(self):
        self.found("no_gap_no_double", lambda r: r.pop(place(r, "c", 7)))

    def test_an_epoch_of_before_that_is_resumed(self):
        self.found("no_gap_no_double",
                   lambda r: one(r, "asked", conn="c").update(epoch="e0"))

    def test_an_event_before_any_position(self):
        self.found("no_gap_no_double", lambda r: r.pop(r.index(
            one(r, "frame", frame=subscribed(0, "fresh")))))

    def test_a_resume_that_starts_anew_in_silence(self):
        self.found("no_gap_no_double", lambda r: one(
            r, "frame", frame=subscribed(20, "resumed"))["frame"].update(mode="fresh", head=6))

    def test_an_event_that_differs_between_sockets(self):
        def forge(r):
            index = place(r, "c", 19)
            r[index] = copy.deepcopy(r[index])
            r[index]["frame"]["data"]["text"] = "Gone"
        self.found("sockets_saw_the_log", forge)

    def test_a_socket_that_goes_deaf(self):
        self.found("staying_sockets_saw_the_end", lambda r: r.pop(place(r, "c", 20)))

    def test_a_hole_in_a_text(self):
        self.found("texts_have_no_hole", lambda r: one(
            r, "frame", conn="a", frame=delta(5, " you"))["frame"].update(offset=6))

    def test_an_overlap_in_a_text(self):
        self.found("texts_have_no_hole", lambda r: one(
            r, "frame", conn="a", frame=delta(5, " you"))["frame"].update(offset=4))

    def test_a_text_that_begins_in_the_middle(self):
        self.found("texts_have_no_hole", lambda r: r.pop(r.index(
            one(r, "frame", conn="b", frame={"type": "partial", "session": "s", "run": "1",
                                             "message_id": "m1", "upto": 5, "text": "Hello"}))))

    def test_a_text_that_is_told_anew_and_differs(self):
        self.found("texts_have_no_hole", lambda r: r.insert(place(r, "a", 5), frame("a", {
            "type": "partial", "session": "s", "run": "1", "message_id": "m1",
            "upto": 4, "text": "Hola"})))

    def test_a_length_that_is_wrong(self):
        self.found("texts_have_no_hole", lambda r: r.insert(place(r, "a", 5), frame("a", {
            "type": "partial", "session": "s", "run": "1", "message_id": "m1",
            "upto": 8, "text": "Hello you"})))

    def test_pieces_that_are_not_the_text(self):
        self.found("texts_have_no_hole", lambda r: logged(r, 5)["data"].update(text="Hello all"))

    def test_a_stream_with_a_hole(self):
        self.found("streams_are_the_runs", lambda r: one(r, "stream")["events"].pop(2))

    def test_a_stream_without_its_end(self):
        def forge(r):
            stream = one(r, "stream")
            stream["events"] = stream["events"][:-1]
        self.found("streams_are_the_runs", forge)

    def test_a_memory_that_lost_an_item(self):
        self.found("memory_is_the_fold", lambda r: one(r, "memory")["items"].pop())

    def test_a_memory_that_lost_a_note(self):
        self.found("memory_is_the_fold", lambda r: one(r, "memory")["items"].pop(0))

    def test_a_memory_of_before_the_clear(self):
        self.found("memory_is_the_fold", lambda r: one(r, "memory")["items"].insert(
            0, {"role": "assistant", "text": "Hello you", "run": "1"}))

    def test_a_memory_in_another_order(self):
        self.found("memory_is_the_fold", lambda r: one(r, "memory")["items"].reverse())

    def test_a_memory_that_keeps_what_was_rolled_back(self):
        def forge(r):
            events = one(r, "log")["events"]
            events.append(event(21, "memory.changed", "4", tag="1.21"))
            one(r, "session")["body"].update(head=21)
        self.found("memory_is_the_fold", forge)

    def test_a_rollback_that_took_nothing_back(self):
        self.found("rolled_back_leaves_nothing",
                   lambda r: one(r, "runs")["items"][3].update(status="rolled_back"))

    def test_a_memory_without_the_message_that_was_read_on_the_way(self):
        def forge(r):
            # The fourth run reads a fifth on its way.
            logged(r, 18).update(event="run.created", run="5", data={
                "input": "five", "status": "queued", "on_conflict": "steer"})
            logged(r, 19).update(event="run.finished", run="5", data={"status": "consumed"})
            one(r, "memory")["items"].pop()
        self.found("memory_is_the_fold", forge)

    def test_a_snapshot_of_another_time(self):
        def forge(r):
            for entry in r:
                if entry.get("frame", {}).get("type") == "resync":
                    entry["frame"]["snapshot"]["items"] = []
        self.found("snapshots_are_the_fold", forge)

    def test_a_run_that_is_left(self):
        self.found("at_rest", lambda r: one(r, "runs")["items"][3].update(status="running"))

    def test_a_slot_that_is_left(self):
        self.found("at_rest",
                   lambda r: one(r, "session")["body"].update(slot={"state": "active"}))

    def test_every_rule_has_a_forged_record(self):
        import inspect
        source = inspect.getsource(Forged)
        for rule in checker.RULES:
            self.assertIn(f'"{rule.__name__}"', source)


class Restart(unittest.TestCase):
    """After a kill: what clients knew must be there, and nothing may still run."""

    def knew(self):
        events = log()
        accepted = {
            "c1": (sent("c1", "submit", input="one"), {"run": "1"}),
            "c7": (sent("c7", "clear"), {"era": 1, "seq": 14}),
            "c8": (sent("c8", "note"), {"seq": 15}),
        }
        before = {"epoch": "e1", "log": events[:9], "seen": {e["seq"]: e for e in events[9:16]},
                  "accepted": accepted}
        now = {"epoch": "e1", "log": copy.deepcopy(events), "boot": BEGIN + 10, "runs": [
            run("1", 1, 1, 2, "succeeded"), run("2", 1.5, 2, 3, "superseded"),
            run("3", 2.5, 3, 4, "cancelled"), run("4", 5, 5, 6, "lost")]}
        return before, now

    def found(self, text, forge):
        before, now = self.knew()
        forge(before, now)
        findings = list(checker.after_a_restart(before, now))
        self.assertTrue(any(text in finding for finding in findings), findings)

    def test_what_was_kept_has_no_finding(self):
        self.assertEqual(list(checker.after_a_restart(*self.knew())), [])

    def test_an_event_that_was_read_is_gone(self):
        self.found("seq 9, which was shown", lambda before, now: now["log"].pop(8))

    def test_a_clear_may_forget_what_was_before_it(self):
        before, now = self.knew()
        del now["log"][:13]
        self.assertEqual(list(checker.after_a_restart(before, now)), [])

    def test_nothing_else_may_forget(self):
        def forge(before, now):
            del now["log"][:15]
        self.found("nothing was cleared", forge)

    def test_a_run_of_this_era_is_not_forgotten(self):
        def forge(before, now):
            before["accepted"]["c4"] = (sent("c4", "submit", input="four"), {"run": "4"})
            del now["log"][15]
        self.found("was accepted as run 4", forge)

    def test_an_event_that_a_socket_showed_is_gone(self):
        def forge(before, now):
            del now["log"][15:]
        self.found("seq 16, which was shown", forge)

    def test_an_event_that_became_another(self):
        self.found("seq 5 was shown", lambda before, now: now["log"][4]["data"].update(text="x"))

    def test_an_accepted_message_without_a_run(self):
        self.found("is gone", lambda before, now: now["runs"].pop(0))

    def test_a_run_number_that_was_used_again(self):
        self.found("used again",
                   lambda before, now: now["log"][0]["data"].update(input="other"))

    def test_a_clear_that_is_gone(self):
        self.found("clear c7", lambda before, now: now["log"].pop(13))

    def test_a_note_that_is_gone(self):
        self.found("note c8", lambda before, now: now["log"].pop(14))

    def test_a_run_that_is_still_running(self):
        self.found("since before the restart",
                   lambda before, now: now["runs"][3].update(status="running"))

    def test_an_epoch_that_changed(self):
        self.found("became", lambda before, now: now.update(epoch="e2"))


if __name__ == "__main__":
    unittest.main()
