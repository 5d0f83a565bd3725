"""Which windows are held healthy: what one query answers is what the words about each window say."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.model.handling import HEALTHY, Word
from monitor.model.results import Transition
from monitor.store import handling, marks, results, transitions
from monitor.store.results import StoredResult

WINDOWS, CHANGES = 30, 12


def stored(conn, *, version_id, start, status, segment=""):
    results.put_result(conn, StoredResult(
        version_id=version_id, window_start_us=start, window_end_us=start + 1, revision=1, reference_number=1,
        status=status, rows=100, reference_rows=1, computed_us=1, payload=b"", segment=segment,
    ))  # fmt: skip


def change_at(conn, owner, *, start, check, status):
    change = Transition(
        check=check, kind="drift", segment="", severity="warning", from_status="ok", status=status, at_us=start,
        window_start_us=start, window_end_us=start + 1, value=None, threshold=None, rows=1, columns=(), explanation="",
    )  # fmt: skip
    ids = transitions.add_transitions(conn, model_id=owner.model.id, version_id=owner.version.id, transitions=[change])
    return transitions.get_transition(conn, id=ids[0])


def in_force(changes, *, start):
    """The ids of the alerts in force for the window: of each check its last change up to there, if it is an alert."""
    last = {check: (id, status) for id, check, begin, status in changes if begin <= start}
    return {id for id, status in last.values() if status == "alert"}


def expected(*, statuses, own, verdicts, changes):
    """The starts held healthy by the rule as the documents say it."""
    found = []
    for start, status in enumerate(statuses):
        said = {id: HEALTHY[was] for id, (was, begin, end) in verdicts.items() if begin <= start < end}
        if all(said.values()) and in_force(changes, start=start) - said.keys():
            said = {}
        rule = [own[start]] if own.get(start) is not None else said.values() or [status != "alert"]
        found += [start] if all(rule) else []
    return found


@pytest.mark.parametrize("seed", range(8))
def test_marks_and_verdicts_decide_as_the_documents_say_whatever_was_said(store, make_version, seed):
    rng = np.random.default_rng(seed)
    owner, other = make_version(), make_version(version="2")
    statuses = rng.choice(["ok", "warning", "alert", "unknown"], WINDOWS).tolist()
    of_segment = rng.choice(["ok", "alert"], WINDOWS, p=[0.8, 0.2]).tolist()
    own = {int(start): [True, False, None][rng.integers(3)] for start in rng.choice(WINDOWS, 8, replace=False)}
    verdicts, changes = {}, []
    with store.write() as conn:
        for start, status in enumerate(statuses):
            for version in (owner, other):  # the other's words are nobody else's
                stored(conn, version_id=version.version.id, start=start, status=status)
            stored(conn, version_id=owner.version.id, start=start, status=of_segment[start], segment="eu")
        for start, healthy in own.items():
            marks.put_mark(
                conn, version_id=owner.version.id, start_us=start, healthy=healthy, reason="", by="", at_us=1
            )
        for begin in sorted(rng.integers(0, WINDOWS, CHANGES).tolist()):
            check, status = str(rng.choice(["a", "b", "c"])), str(rng.choice(["alert", "alert", "warning", "ok"]))
            of = change_at(conn, owner, start=begin, check=check, status=status)
            change_at(conn, other, start=begin, check=check, status="alert")
            changes.append((of.id, check, begin, status))
            if status == "ok" or rng.random() < 0.3:
                continue
            was, end = str(rng.choice(list(HEALTHY))), begin + int(rng.integers(1, 8))
            handling.say(
                conn, Word(kind="verdict", reason="", by="", at_us=2, was=was, from_us=begin, to_us=end), of=of
            )
            if rng.random() < 0.3:
                handling.withdraw(conn, transition_id=of.id, kind="verdict", by="", at_us=3)
            else:
                verdicts[of.id] = (was, begin, end)
    worse = ["alert" if "alert" in both else "ok" for both in zip(statuses, of_segment, strict=True)]
    want = expected(statuses=statuses, own=own, verdicts=verdicts, changes=changes)
    with store.read() as conn:
        held = results.healthy_windows(conn, version_id=owner.version.id, min_rows=50, after_us=-1)
        said = marks.marks_of(conn, version_id=owner.version.id, starts=range(WINDOWS))
        untouched = results.healthy_windows(conn, version_id=other.version.id, min_rows=50, after_us=-1)
        sliced = results.healthy_windows(conn, version_id=owner.version.id, min_rows=50, segment="eu")
    assert [start for start, _ in reversed(sliced)] == expected(
        statuses=worse, own=own, verdicts=verdicts, changes=changes
    )
    assert [start for start, _ in reversed(held)] == want
    assert [s for s in range(WINDOWS) if (said[s].healthy if s in said else statuses[s] != "alert")] == want
    assert [start for start, _ in reversed(untouched)] == [s for s in range(WINDOWS) if statuses[s] != "alert"]
