"""Does the checker find what it is there for? A good record passes; each forged one is found."""

import unittest

import checker


def seen(life, id, state, attempt, desired="run", **more):
    job = {"id": id, "state": state, "attempt": attempt, "desired": desired, "seq": 9} | more
    if attempt and "started" not in job:
        job["started"] = f"{id}.{attempt}"
    return {"k": "seen", "life": life, "job": job}


def sent(key, may_again=False):
    return {"k": "sent", "life": 1, "key": key, "may_again": may_again, "shape": "one"}


def acked(life, key, id, replayed=False):
    return {"k": "acked", "life": life, "key": key, "id": id, "replayed": replayed}


def did(life, id, op, state, desired, changed=True):
    return [{"k": "told", "life": life, "id": id, "op": op},
            {"k": "did", "life": life, "id": id, "op": op, "changed": changed, "state": state,
             "desired": desired}]


def good():
    """A job that completes, one that is lost, one that is run again, one stopped, one paused."""
    return [
        sent("a"), sent("b"), sent("c", may_again=True), sent("d"), sent("e", may_again=True),
        acked(1, "a", "1-1"), acked(1, "b", "1-2"), acked(1, "c", "1-3"), acked(1, "d", "1-4"),
        acked(1, "e", "1-5"),
        seen(1, "1-1", "running", 1), seen(1, "1-2", "running", 1), seen(1, "1-3", "starting", 1),
        seen(1, "1-4", "queued", 0), seen(1, "1-5", "queued", 0),
        *did(1, "1-4", "stop", "stopped", "stop"),
        *did(1, "1-5", "pause", "queued", "pause"),
        seen(1, "1-1", "completed", 1, ended="t1"),
        {"k": "result", "life": 1, "id": "1-1", "shape": "one", "digest": "x"},
        {"k": "stats", "life": 1, "body": {"by_state": {"queued": 1, "running": 4}, "total": 5,
                                           "running": 4, "max_running": 4}},
        # Killed.
        seen(2, "1-1", "completed", 1, ended="t1"), seen(2, "1-2", "lost", 1, ended="t2"),
        seen(2, "1-3", "queued", 1), seen(2, "1-4", "stopped", 0, desired="stop", ended="t0"),
        seen(2, "1-5", "queued", 0, desired="pause"),
        acked(2, "a", "1-1", replayed=True),
        *did(2, "1-5", "resume", "queued", "run"),
        seen(2, "1-3", "running", 2), seen(2, "1-5", "running", 1),
        seen(2, "1-3", "completed", 2, ended="t3"), seen(2, "1-5", "completed", 1, ended="t4"),
        {"k": "result", "life": 2, "id": "1-3", "shape": "one", "digest": "x"},
        {"k": "result", "life": 2, "id": "1-5", "shape": "one", "digest": "x"},
        {"k": "list", "life": 2, "ids": ["1-1", "1-2", "1-3", "1-4", "1-5"]},
    ]


def judged(entries):
    """Each look began just before it ended, and each answer is to what was sent last."""
    entries = [dict(entry) for entry in entries]
    told = {}
    for index, entry in enumerate(entries):
        entry.setdefault("since", index)
        if entry["k"] == "told":
            told[entry["id"]] = index
        elif entry["k"] == "did":
            entry.setdefault("sent", told.get(entry["id"]))
        elif entry["k"] == "acked":
            entry.setdefault("sent", index)
    return {rule for rule, found in checker.check(entries).items() if found}


class Judged(unittest.TestCase):
    def found(self, *more, of=None, rule):
        entries = (of or good()) + list(more)
        self.assertIn(rule, judged(entries))

    def without(self, id, state, *instead, rule):
        entries = good()
        at = next(i for i, e in reversed(list(enumerate(entries)))
                  if e["k"] == "seen" and e["job"]["id"] == id and e["job"]["state"] == state)
        entries[at:at + 1] = instead
        self.assertIn(rule, judged(entries))

    def test_a_good_record_passes(self):
        self.assertEqual(judged(good()), set())

    def test_a_job_that_is_gone(self):
        self.found({"k": "gone", "life": 2, "id": "1-1"}, rule="none_is_lost")
        entries = [e | {"ids": ["1-1"]} if e["k"] == "list" else e for e in good()]
        self.found(of=entries, rule="none_is_lost")

    def test_a_job_that_never_ends(self):
        self.without("1-5", "completed", rule="none_is_lost")

    def test_a_job_that_nobody_was_told_of(self):
        self.found({"k": "list", "life": 2, "ids": ["2-9"]}, rule="nothing_comes_from_nowhere")
        self.found({"k": "list", "life": 2, "ids": ["1-1", "1-1"]},
                   rule="nothing_comes_from_nowhere")

    def test_a_job_that_is_left_running(self):
        self.without("1-2", "lost", seen(2, "1-2", "running", 1), rule="none_is_left_running")

    def test_a_job_that_runs_twice(self):
        self.without("1-2", "lost", seen(2, "1-2", "running", 2),
                     rule="none_runs_twice_unless_it_may")
        self.without("1-2", "lost", seen(2, "1-2", "queued", 1),
                     rule="none_runs_twice_unless_it_may")
        self.without("1-3", "running", seen(2, "1-3", "running", 4),
                     rule="none_runs_twice_unless_it_may")

    def test_an_attempt_that_is_started_again_or_taken_back(self):
        self.found(seen(2, "1-5", "completed", 1, started="later", ended="t4"),
                   rule="none_runs_twice_unless_it_may")
        self.found(seen(2, "1-3", "queued", 1), rule="none_runs_twice_unless_it_may")

    def test_an_end_that_changes(self):
        self.found(seen(2, "1-2", "stopped", 1, ended="t2"), rule="ends_are_final")
        self.found(seen(2, "1-1", "completed", 1, ended="later"), rule="ends_are_final")

    def test_a_key_with_two_jobs(self):
        self.found(acked(2, "b", "2-1", replayed=True), rule="each_key_is_one_job")
        self.found(acked(2, "b", "1-2"), rule="each_key_is_one_job")
        self.found(acked(2, "z", "1-2", replayed=True), rule="each_key_is_one_job")

    def test_two_of_one_key_at_once_are_answered_in_any_order(self):
        at = good().index(acked(2, "a", "1-1", replayed=True))
        late = acked(2, "b", "1-2") | {"sent": 2}
        self.assertEqual(judged(good()[:at] + [late] + good()[at:]), set())

    def test_a_stop_that_is_lost(self):
        self.without("1-4", "stopped", seen(2, "1-4", "running", 1, desired="stop"),
                     rule="stops_hold")
        self.without("1-4", "stopped", seen(2, "1-4", "completed", 1, ended="t0"),
                     rule="stops_hold")

    def test_a_pause_that_is_lost(self):
        entries = [e for e in good() if e.get("op") != "resume"]
        self.found(of=entries, rule="pauses_hold")
        entries = [e for e in good()]
        at = next(i for i, e in enumerate(entries) if e.get("op") == "resume")
        entries[at:at] = [seen(2, "1-5", "running", 1, desired="pause")]
        self.found(of=entries, rule="pauses_hold")

    def test_a_resume_that_is_lost(self):
        self.without("1-5", "running", seen(2, "1-5", "queued", 0, desired="pause"),
                     rule="pauses_hold")

    def test_a_result_that_is_missing_or_another(self):
        self.found({"k": "barren", "life": 2, "id": "1-1", "status": 404}, rule="results_are_whole")
        self.found({"k": "result", "life": 2, "id": "1-1", "shape": "one", "digest": "y"},
                   rule="results_are_whole")
        self.found(of=[e for e in good() if e.get("id") != "1-3" or e["k"] != "result"],
                   rule="results_are_whole")

    def test_figures_that_do_not_add_up(self):
        body = {"by_state": {"queued": 1, "running": 1}, "total": 3, "running": 1, "max_running": 4}
        self.found({"k": "stats", "life": 1, "body": body}, rule="figures_add_up")
        body = {"by_state": {"running": 5}, "total": 5, "running": 5, "max_running": 4}
        self.found({"k": "stats", "life": 1, "body": body}, rule="figures_add_up")


if __name__ == "__main__":
    unittest.main()
