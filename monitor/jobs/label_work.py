"""When the labels of a model are joined: after a short gathering, or when folds wrote what they may fit.

A pass is claimed like everything else, its subject the model. Passes of a model keep a distance of at least ten times
what the last one took, so that joining costs a small share of the time however many ids there are to look through.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from threading import Lock

from sqlalchemy import Connection

from monitor.evaluate.guard import Guard
from monitor.evaluate.join import Joiner, Pass
from monitor.jobs.attempts import Attempts
from monitor.jobs.occurrences import JOIN, join_occurrence
from monitor.jobs.settings import JobSettings
from monitor.model.errors import NotFound, Unavailable
from monitor.store.engine import Store
from monitor.store.labels import WaitingLabels, joins, models_behind, waiting_models
from monitor.store.runs import Claim, model_subject

_log = logging.getLogger(__name__)
REST = 10  # times the last pass


class LabelWork:
    """Joins the labels of models that are due; safe to run for several models at once."""

    def __init__(self, store: Store, *, attempts: Attempts, joiner: Joiner, settings: JobSettings) -> None:
        self._store = store
        self._attempts = attempts
        self._joiner = joiner
        self._gather_us = settings.gather_us
        self._last: dict[int, tuple[int, int]] = {}  # model id → when its last pass was, how long it rests
        self._lock = Lock()

    def due(self, conn: Connection, *, now_us: int) -> list[int]:
        """The models to join now, by id."""
        waiting, behind = waiting_models(conn), models_behind(conn)
        gathered = {one.model_id for one in waiting if self._gathered(one, now_us=now_us)}
        return [id for id in sorted(gathered | behind) if self._rested(id, now_us=now_us)]

    def after_fold(self, model_id: int, *, now_us: int) -> int:
        """How many passes a model took whose version has just been folded; its windows are computed next."""
        return self.run(model_id, now_us=now_us) if self._rested(model_id, now_us=now_us) else 0

    def task(self, model_id: int, now_us: Callable[[], int]) -> bool:
        """Joins the model's labels; for a lane, which sees for itself whether that took long."""
        self.run(model_id, now_us=now_us())
        return True

    def run(self, model_id: int, *, now_us: int) -> int:
        """How many passes were done until nothing waited; never raises for what the model itself brings about."""
        passes = 0
        try:
            while True:
                done = self._pass(model_id, now_us=now_us)
                passes += done is not None
                if done is None or not done.more:
                    return passes
        except NotFound:
            _log.info("model %d was deleted while its labels were joined", model_id)
        except Unavailable as away:
            _log.warning("labels of model %d wait for the database: %s", model_id, away)
        return passes

    def _pass(self, model_id: int, *, now_us: int) -> Pass | None:
        with self._store.write() as conn:
            claim = self._claim(conn, model_id=model_id, now_us=now_us)
        if claim is None:
            return None
        began = time.perf_counter()
        work: Callable[[Guard], Pass | None] = partial(self._join, model_id)
        done = self._attempts.run(claim, step="join", work=work)
        rest_us = round(REST * (time.perf_counter() - began) * 1e6)
        with self._lock:
            self._last[model_id] = now_us, max(rest_us, self._gather_us) if self._gather_us else 0
        return done

    def _join(self, model_id: int, guard: Guard) -> Pass | None:
        return self._joiner.join(model_id=model_id, guard=guard)

    def _claim(self, conn: Connection, *, model_id: int, now_us: int) -> Claim | None:
        occurrence = join_occurrence(joins=joins(conn, model_id=model_id), now_us=now_us)
        return self._attempts.claim(conn, job=JOIN, subject=model_subject(model_id), scheduled_us=occurrence)

    def _gathered(self, waiting: WaitingLabels, *, now_us: int) -> bool:
        return waiting.oldest_us + self._gather_us <= now_us

    def _rested(self, model_id: int, *, now_us: int) -> bool:
        with self._lock:
            last_us, rest_us = self._last.get(model_id, (now_us, 0))
        return not 0 <= now_us - last_us < rest_us  # a clock set back does not stop the joins
