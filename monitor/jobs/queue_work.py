"""Jobs that somebody asked for: recomputing, relayout, segments, calibration; claimed like all else, with progress."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from monitor.evaluate.context import Contexts
from monitor.evaluate.erasing import erase, hashes_of
from monitor.evaluate.guard import Guard
from monitor.evaluate.learning import RELEARN, Learner
from monitor.evaluate.recompute import RECOMPUTE, recompute
from monitor.evaluate.relayout import RELAYOUT, relayout
from monitor.evaluate.resegment import RESEGMENT, resegment
from monitor.evaluate.window import Evaluator
from monitor.jobs.attempts import Attempts
from monitor.model.errors import NotFound, Unavailable
from monitor.store.engine import Store
from monitor.store.erasures import ERASE, finish_erasure
from monitor.store.models import get_model_by_id
from monitor.store.runs import Claim, JobRun, check_fence, list_open, model_of, progress
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)


class QueueWork:
    """Runs queued jobs; the job's name says which."""

    def __init__(
        self, store: Store, *, attempts: Attempts, contexts: Contexts, evaluator: Evaluator, learner: Learner,
        telemetry: Telemetry, max_segments: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._attempts = attempts
        self._contexts = contexts
        self._evaluator = evaluator
        self._learner = learner
        self._telemetry = telemetry
        self._max_segments = max_segments
        self._known: dict[str, Callable[[Claim, int], int]] = {
            RECOMPUTE: self._recompute, RELAYOUT: self._relayout, RELEARN: self._relearn,
            RESEGMENT: self._resegment, ERASE: self._erase,
        }  # fmt: skip

    def waiting(self, conn: Connection) -> list[JobRun]:
        """The queued jobs that may be claimed now, oldest first."""
        return list_open(conn, jobs=list(self._known), limit=100)

    def task(self, run: JobRun, now_us: Callable[[], int]) -> bool:
        """Whether the job was done; for a lane."""
        return self.run(run, now_us=now_us()) > 0

    def run(self, run: JobRun, *, now_us: int) -> int:
        """1 when the job was done now, else 0."""
        try:
            with self._store.write() as conn:
                claim = self._attempts.claim(conn, job=run.job, subject=run.subject, scheduled_us=run.scheduled_us)
            if claim is None:
                return 0
            done = self._attempts.run(claim, step="evaluate", work=partial(self._do, claim, now_us))
        except NotFound:
            _log.info("job %d: version %s is deleted", run.id, run.subject)
            return 0
        except Unavailable as away:
            _log.warning("job %d waits for the database: %s", run.id, away)
            return 0
        return int(done is not None)

    def _do(self, claim: Claim, now_us: int, finish: Guard) -> int:
        counted = self._known[claim.job](claim, now_us)
        with self._store.write() as conn:
            finish(conn)
        return counted

    def _recompute(self, claim: Claim, now_us: int) -> int:
        return recompute(
            self._store, evaluator=self._evaluator, version_id=int(claim.subject), now_us=now_us,
            from_us=claim.params.get("from_us"), to_us=claim.params.get("to_us"),
            progressing=partial(self._progressing, claim),
        )  # fmt: skip

    def _relayout(self, claim: Claim, now_us: int) -> int:
        return relayout(
            self._store, contexts=self._contexts, version_id=int(claim.subject), now_us=now_us,
            number=claim.params.get("reference"), progressing=partial(self._progressing, claim),
            max_segments=self._max_segments,
        )  # fmt: skip

    def _resegment(self, claim: Claim, now_us: int) -> int:
        return resegment(
            self._store, version_id=int(claim.subject), now_us=now_us, progressing=partial(self._progressing, claim),
            max_segments=self._max_segments,
        )  # fmt: skip

    def _erase(self, claim: Claim, now_us: int) -> int:
        model_id, id = model_of(claim.subject), int(claim.params["erasure"])
        if model_id is None:
            raise NotFound(f"erasure {id} is of no model")
        found = erase(
            self._store, model_id=model_id, erasure_id=id, hashes=hashes_of(claim.params["hashes"]),
            progressing=partial(self._progressing, claim),
        )  # fmt: skip
        with self._store.write() as conn:
            check_fence(conn, claim)
            finish_erasure(conn, id=id, job_id=claim.id, now_us=now_us)
            model = get_model_by_id(conn, id=model_id)
        for what in ("records", "labels", "quarantined"):
            self._telemetry.erased.labels(model.name, what).inc(getattr(found, what))
        return found.records

    def _relearn(self, claim: Claim, now_us: int) -> int:
        self._learner.relearn(version_id=int(claim.subject), now_us=now_us)
        return 1

    def _progressing(self, claim: Claim, ratio: float) -> Guard:
        """A guard that notes the progress, which fails where the claim is lost."""
        self._attempts.leases.progressed(claim)

        def note(conn: Connection) -> None:
            progress(conn, claim, ratio=ratio)

        return note
