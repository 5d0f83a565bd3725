"""The jobs of one process: what is due is claimed and done, whoever else does the same on the same database.

``tick`` does everything that is due, here and now (tests, the demo, ``evaluate``). ``start`` does the same in the
background, every second, spread over a few threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from monitor.evaluate.context import Contexts
from monitor.evaluate.fold import Folder
from monitor.evaluate.join import Joiner
from monitor.evaluate.learning import Learner
from monitor.evaluate.partial import OpenWindows
from monitor.evaluate.window import Evaluator
from monitor.jobs.attempts import Attempts
from monitor.jobs.background import Background
from monitor.jobs.label_work import LabelWork
from monitor.jobs.leases import Leases
from monitor.jobs.look import Look
from monitor.jobs.plan import Due
from monitor.jobs.queue_work import QueueWork
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import watched
from monitor.jobs.upkeep import Upkeep
from monitor.jobs.version_work import Steps, Tally, VersionWork
from monitor.store.engine import Store
from monitor.store.run_cache import RunCache
from monitor.store.runs import Claim
from monitor.telemetry import Telemetry

_MOST_ROUNDS = 10_000


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
        self.evaluator = Evaluator(store, contexts=contexts, watch=partial(watched, telemetry=telemetry))
        self.open_windows = OpenWindows(store, folder=self.folder, evaluator=self.evaluator)
        self._leases = Leases(
            store, lease_us=self._settings.lease_us, patience_us=self._settings.patience_us,
            retry_us=self._settings.retry_us,
        )  # fmt: skip
        self._attempts = attempts = Attempts(store, telemetry=telemetry, leases=self._leases, settings=self._settings)
        learner = Learner(store, contexts=contexts)
        joiner = Joiner(store)
        self._labels = LabelWork(store, attempts=attempts, joiner=joiner, settings=self._settings)
        steps = Steps(folder=self.folder, evaluator=self.evaluator, learner=learner, labels=self._labels)
        self._work = VersionWork(store, telemetry=telemetry, attempts=attempts, steps=steps)
        self._queue = QueueWork(
            store, attempts=attempts, contexts=contexts, evaluator=self.evaluator, learner=learner,
            telemetry=telemetry, max_segments=self._settings.max_segments,
        )  # fmt: skip
        self._upkeep = Upkeep(store, telemetry=telemetry, settings=self._settings, contexts=contexts)
        self._look = Look(store, telemetry=telemetry, settings=self._settings, labels=self._labels, queue=self._queue)
        self._background: Background | None = None

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
        """Does the same in the background from now on."""
        self._background = Background(
            look=self._look, work=self._work, labels=self._labels, queue=self._queue, upkeep=self._upkeep,
            attempts=self._attempts, telemetry=self._telemetry, settings=self._settings, now_us=self._now_us,
        )  # fmt: skip
        self._background.start()

    def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Takes nothing new, waits for what runs, gives back the claims of what did not end in time."""
        if self._background is not None:
            self._background.stop(grace_seconds=grace_seconds)

    def wake(self) -> None:
        """Rows came, or a job was asked for: look now rather than at the next tick."""
        if self._background is not None:
            self._background.wake()

    def behind(self) -> str | None:
        """Why the jobs are not keeping up, or None: what ``readyz`` shows."""
        return None if self._background is None else self._background.behind()

    def notes(self) -> list[str]:
        """What is wrong with single versions, and so no reason to send this process no requests."""
        return [] if self._background is None else self._background.notes()

    def _round(self, now_us: int) -> Tally:
        """One look and all of what it found, one version after the other."""
        done = Tally()
        self._upkeep.sweep(now_us=now_us)
        dues = self._look.versions(now_us)
        for some in _together(dues, size=self._settings.claims_together):
            claims = self._claim_folds(some, now_us=now_us)
            for due in some:
                tally = self._work.run(due, now_us=now_us, fold_claim=claims.get(due.version_id))
                self._look.remember(due, done=tally, now_us=now_us)
                done.add(tally)
        # After the folds, which are followed by joins of their own; the next round computes the windows.
        rest = self._look.rest(now_us)
        done.joins += sum(self._labels.run(model_id, now_us=now_us) for model_id in rest.labelled)
        for run in rest.asked:
            done.windows += self._queue.run(run, now_us=now_us)
        self._upkeep.tidy(now_us=now_us)
        return done

    def _claim_folds(self, dues: Sequence[Due], *, now_us: int) -> dict[int, Claim]:
        folding = [due for due in dues if due.fold]
        return self._work.claim_folds(folding, now_us=now_us) if folding else {}


def _together(dues: Sequence[Due], *, size: int) -> list[list[Due]]:
    return [list(dues[start : start + size]) for start in range(0, len(dues), size)]
