"""One look at the database: what is due of everything, in one short snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from sqlalchemy import Connection

from monitor.evaluate.catchup import FoldRule
from monitor.jobs.label_work import LabelWork
from monitor.jobs.plan import Due, Memory, due_versions, read_facts
from monitor.jobs.queue_work import QueueWork
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import caught_up
from monitor.jobs.version_work import Tally
from monitor.store.engine import Store
from monitor.store.models import all_versions
from monitor.store.runs import JobRun
from monitor.store.windows import due_windows, mark_due
from monitor.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is due: versions, models by id whose labels are to be joined, jobs that somebody asked for."""

    versions: list[Due]
    labelled: list[int]
    asked: list[JobRun]


class Look:
    """Looks, and remembers what this process did lately."""

    def __init__(
        self, store: Store, *, telemetry: Telemetry, settings: JobSettings, labels: LabelWork, queue: QueueWork
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._interval_us = settings.fold_interval_us
        self._rule = FoldRule(rows=settings.fold_rows, infer_rows=settings.infer_rows)
        self._labels = labels
        self._queue = queue
        self._lock = Lock()
        self._folded_us: dict[int, int] = {}
        self._silence: dict[int, tuple[int, int | None]] = {}

    def everything(self, now_us: int) -> Found:
        """What is due now."""
        with self._store.read() as conn:
            marking = due_windows(conn, now_us=now_us)
            versions = [] if marking else self._versions(conn, now_us=now_us)
            labelled, asked = self._labelled(conn, now_us=now_us), self._queue.waiting(conn)
        if marking:
            versions = self.versions(now_us)
        return Found(versions=versions, labelled=labelled, asked=asked)

    def versions(self, now_us: int) -> list[Due]:
        """The versions that are due now, windows whose labels are due by now among them."""
        with self._store.read() as conn:
            marking = due_windows(conn, now_us=now_us)
        if marking:
            with self._store.write() as conn:
                mark_due(conn, now_us=now_us)
        with self._store.read() as conn:
            return self._versions(conn, now_us=now_us)

    def rest(self, now_us: int) -> Found:
        """What is due beside the versions."""
        with self._store.read() as conn:
            labelled, asked = self._labelled(conn, now_us=now_us), self._queue.waiting(conn)
        return Found(versions=[], labelled=labelled, asked=asked)

    def remember(self, due: Due, *, done: Tally, now_us: int) -> None:
        """Notes what was done, so that the next look does not find it again."""
        with self._lock:
            if due.fold:
                self._folded_us[due.version_id] = now_us
            if done.looked:
                self._silence[due.version_id] = (due.newest_us, done.silence_us)

    def _versions(self, conn: Connection, *, now_us: int) -> list[Due]:
        facts = read_facts(conn)
        fleet = {version.id: (model, version) for model, version in all_versions(conn)}
        with self._lock:
            memory = Memory(folded_us=dict(self._folded_us), silence=dict(self._silence))
        dues = due_versions(
            facts, fleet=fleet, rule=self._rule, memory=memory, fold_interval_us=self._interval_us, now_us=now_us
        )
        idle = [] if any(due.fold for due in dues) else ["fold"]
        idle += [] if any(due.windows for due in dues) else ["evaluate", "verdict"]
        for step in idle:
            caught_up(step, telemetry=self._telemetry)
        return dues

    def _labelled(self, conn: Connection, *, now_us: int) -> list[int]:
        found = self._labels.due(conn, now_us=now_us)
        if not found:
            caught_up("join", telemetry=self._telemetry)
        return found
