"""The jobs of one process: what is due is claimed and done, whoever else does the same on the same database.

``tick`` does everything that is due, here and now (tests, the demo, ``evaluate``). ``start`` does the same in the
background, every second, spread over a few threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock

from monitor.evaluate.catchup import FoldRule
from monitor.evaluate.context import Contexts
from monitor.evaluate.fold import Folder
from monitor.evaluate.join import Joiner
from monitor.evaluate.learning import Learner
from monitor.evaluate.partial import OpenWindows
from monitor.evaluate.window import Evaluator
from monitor.jobs.attempts import Attempts
from monitor.jobs.label_work import LabelWork
from monitor.jobs.lanes import Lanes
from monitor.jobs.leases import Leases
from monitor.jobs.plan import Due, Facts, Fleet, Memory, due_versions, read_facts
from monitor.jobs.queue_work import QueueWork
from monitor.jobs.schedule import Ticker
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import caught_up
from monitor.jobs.upkeep import Upkeep
from monitor.jobs.version_work import Steps, Tally, VersionWork
from monitor.model.errors import Unavailable
from monitor.store.engine import Store
from monitor.store.models import all_versions
from monitor.store.run_cache import RunCache
from monitor.store.runs import Claim, model_subject
from monitor.store.windows import due_windows, mark_due
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)
_MOST_ROUNDS = 10_000
_LATE_TICKS = 30  # so many ticks without one is jobs that are behind


class JobRunner:
    """Plans, claims and does what is due; one per process."""

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        *,
        now_us: Callable[[], int],
        settings: JobSettings | None = None,
        contexts: Contexts | None = None,
        runs: RunCache | None = None,
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._now_us = now_us
        self._settings = settings or JobSettings()
        contexts = contexts or Contexts()
        self.folder = Folder(store, contexts=contexts, runs=runs)
        self.evaluator = Evaluator(store, contexts=contexts)
        self.open_windows = OpenWindows(store, folder=self.folder, evaluator=self.evaluator)
        self._leases = Leases(store, lease_us=self._settings.lease_us)
        self._attempts = attempts = Attempts(store, telemetry=telemetry, leases=self._leases, settings=self._settings)
        learner = Learner(store, contexts=contexts)
        joiner = Joiner(store)
        self._labels = LabelWork(store, attempts=attempts, joiner=joiner, settings=self._settings)
        steps = Steps(folder=self.folder, evaluator=self.evaluator, learner=learner, labels=self._labels)
        self._work = VersionWork(store, telemetry=telemetry, attempts=attempts, steps=steps)
        self._queue = QueueWork(
            store, attempts=attempts, contexts=contexts, evaluator=self.evaluator, learner=learner,
            max_segments=self._settings.max_segments,
        )  # fmt: skip
        self._upkeep = Upkeep(store, telemetry=telemetry, settings=self._settings)
        self._rule = FoldRule(rows=self._settings.fold_rows, infer_rows=self._settings.infer_rows)
        self._lanes: Lanes | None = None
        self._ticker: Ticker | None = None
        self._lock = Lock()
        self._folded_us: dict[int, int] = {}
        self._silence: dict[int, tuple[int, int | None]] = {}
        self._last_tick_us: int | None = None

    def tick(self, now_us: int | None = None) -> Tally:
        """What was done of everything that is due at ``now_us``, until nothing more is; in this thread."""
        now_us = self._now_us() if now_us is None else now_us
        total = Tally()
        for _ in range(_MOST_ROUNDS):
            done = self._round(now_us)
            total.add(done)
            if not (done.folds or done.joins or done.windows):
                return total
        return total

    def start(self) -> None:
        """Ticks in the background from now on."""
        self._lanes = Lanes(workers=self._settings.workers, slow_seconds=self._settings.slow_us / 1e6)
        self._leases.start()
        self._ticker = Ticker(self._submit_due, every_us=self._settings.tick_us)
        self._ticker.start()

    def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Takes nothing new, waits for what runs, gives back the claims of what did not end in time."""
        if self._ticker is not None:
            self._ticker.stop()
        if self._lanes is not None and not self._lanes.close(grace_seconds=grace_seconds):
            _log.warning("work still ran after %.1f s: its claims are given back", grace_seconds)
        self._leases.stop()

    def wake(self) -> None:
        """Rows came, or a job was asked for: look now rather than at the next tick."""
        if self._ticker is not None:
            self._ticker.wake()

    def behind(self) -> str | None:
        """Why the jobs are not keeping up, or None: what ``readyz`` shows."""
        if self._ticker is None or self._last_tick_us is None:
            return None
        age_us = self._now_us() - self._last_tick_us
        if age_us > _LATE_TICKS * self._settings.tick_us:
            return f"the jobs have not looked for work for {age_us / 1e6:.0f} s"
        return None

    def _round(self, now_us: int) -> Tally:
        """One look and all of what it found, one version after the other."""
        done = Tally()
        self._upkeep.sweep(now_us=now_us)
        dues = self._due(now_us)
        for some in _together(dues, size=self._settings.claims_together):
            claims = self._claim_folds(some, now_us=now_us)
            for due in some:
                done.add(self._run(due, now_us=now_us, claim=claims.get(due.version_id)))
        # After the folds, which are followed by joins of their own; the next round computes the windows.
        done.joins += sum(self._labels.run(model_id, now_us=now_us) for model_id in self._labelled(now_us))
        for run in self._queue.waiting():
            done.windows += self._queue.run(run, now_us=now_us)
        self._upkeep.tidy(now_us=now_us)
        return done

    def _submit_due(self) -> None:
        """One look; what it found goes to the lanes. The ticker's task: it must not raise for what passes."""
        assert self._lanes is not None  # noqa: S101 - started before the ticker
        now_us = self._now_us()
        try:
            self._lanes.replace_held_threads()
            self._upkeep.sweep(now_us=now_us)
            dues = [due for due in self._due(now_us) if not self._lanes.busy(due.version_id)]
            for model_id in self._labelled(now_us):
                self._lanes.submit(model_subject(model_id), partial(self._labels.task, model_id, self._now_us))
            for some in _together(dues, size=self._settings.claims_together):
                claims = self._claim_folds(some, now_us=now_us)
                for due in some:
                    claim = claims.get(due.version_id)
                    if not self._lanes.submit(due.version_id, partial(self._task, due, claim)) and claim is not None:
                        self._attempts.give_back(claim)
            for run in self._queue.waiting():
                self._lanes.submit(-run.id, partial(self._queue.task, run, self._now_us))
            self._lanes.submit(0, partial(self._upkeep.task, self._now_us))
            self._last_tick_us = now_us
        except Unavailable as away:
            _log.warning("jobs wait for the database: %s", away)

    def _task(self, due: Due, claim: Claim | None) -> bool:
        return self._run(due, now_us=self._now_us(), claim=claim).failures == 0

    def _run(self, due: Due, *, now_us: int, claim: Claim | None) -> Tally:
        tally = self._work.run(due, now_us=now_us, fold_claim=claim)
        with self._lock:
            if due.fold:
                self._folded_us[due.version_id] = now_us
            if due.silence and not due.fold:
                self._silence[due.version_id] = (due.newest_us, tally.silence_us)
        return tally

    def _labelled(self, now_us: int) -> list[int]:
        """The models whose labels are to be joined now."""
        found = self._labels.due(now_us=now_us)
        if not found:
            caught_up("join", telemetry=self._telemetry)
        return found

    def _due(self, now_us: int) -> list[Due]:
        self._mark_due(now_us)
        with self._store.read() as conn:
            facts: Facts = read_facts(conn)
            fleet: Fleet = {version.id: (model, version) for model, version in all_versions(conn)}
        with self._lock:
            memory = Memory(folded_us=dict(self._folded_us), silence=dict(self._silence))
        interval_us = self._settings.fold_interval_us
        dues = due_versions(
            facts, fleet=fleet, rule=self._rule, memory=memory, fold_interval_us=interval_us, now_us=now_us
        )
        for step, waits in (("fold", any(due.fold for due in dues)), ("evaluate", any(due.windows for due in dues))):
            if not waits:
                caught_up(step, telemetry=self._telemetry)
        return dues

    def _mark_due(self, now_us: int) -> None:
        """Windows whose labels are due by now are computed again."""
        with self._store.read() as conn:
            due = due_windows(conn, now_us=now_us)
        if due:
            with self._store.write() as conn:
                mark_due(conn, now_us=now_us)

    def _claim_folds(self, dues: Sequence[Due], *, now_us: int) -> dict[int, Claim]:
        folding = [due for due in dues if due.fold]
        return self._work.claim_folds(folding, now_us=now_us) if folding else {}


def _together(dues: Sequence[Due], *, size: int) -> list[list[Due]]:
    return [list(dues[start : start + size]) for start in range(0, len(dues), size)]
