"""What waits longer than it should: records not folded, windows not judged, jobs that failed."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.cli.finding import Finding
from monitor.evaluate.catchup import closes_us
from monitor.model.time import DAY_US, MINUTE_US, format_duration
from monitor.store import Store
from monitor.store.batches import waiting_versions
from monitor.store.models import get_version_by_id
from monitor.store.runs import failed_runs
from monitor.store.windows import dirty_versions

LATE_US = 10 * MINUTE_US
_RUN = "start driftline serve or driftline worker; if one runs, its log and driftline_step_runs_total say what fails"


def steps(store: Store, *, now_us: int) -> Iterator[Finding]:
    """One finding for each kind of work: how much of it is late, and since when."""
    yield _unfolded(store, now_us=now_us)
    yield _unjudged(store, now_us=now_us)
    yield _failed(store, now_us=now_us)


def _unfolded(store: Store, *, now_us: int) -> Finding:
    """Records whose window has closed and that are in no profile."""
    with store.read() as conn:
        waiting = waiting_versions(conn)
        closed = []
        for one in waiting:
            model, _ = get_version_by_id(conn, id=one.version_id)
            closed.append(max(closes_us(model, one.t_min_us), one.oldest_received_us))
    rows = sum(one.rows for one in waiting)
    return _late("records", f"{rows} records of {len(waiting)} versions are not folded yet", closed, now_us=now_us)


def _unjudged(store: Store, *, now_us: int) -> Finding:
    """Windows that have closed and were not computed since rows, labels or settings changed."""
    with store.read() as conn:
        dirty = dirty_versions(conn)
        closed = [end_us + get_version_by_id(conn, id=id)[0].lateness_us for id, end_us in dirty]
    return _late("windows", f"{len(dirty)} versions have windows to be computed", closed, now_us=now_us)


def _late(what: str, said: str, due_us: list[int], *, now_us: int) -> Finding:
    late = [now_us - at for at in due_us if now_us - at > LATE_US]
    if not late:
        return Finding(what=what, state="ok", found=f"{said}, none of them late")
    longest = max(late) // MINUTE_US * MINUTE_US
    return Finding(what=what, state="wrong", remedy=_RUN,
                   found=f"{said}; in {len(late)} they are late, the oldest by {format_duration(longest)}")  # fmt: skip


def _failed(store: Store, *, now_us: int) -> Finding:
    with store.read() as conn:
        failed = failed_runs(conn, since_us=now_us - DAY_US)
    if not failed:
        return Finding(what="jobs", state="ok", found="none has failed for good in the last day")
    last = failed[0]
    return Finding(
        what="jobs", state="note",
        found=f"{len(failed)} failed for good in the last day, last {last.job} of {last.subject}: "
              f"{(last.error or 'the process that ran it stopped')[:200]}",
        remedy="mend what its error says, then driftline evaluate that version: its windows are gaps until then",
    )  # fmt: skip
