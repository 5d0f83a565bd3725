"""What nobody waits for: runs left behind, batches to compact, what was deleted, keys past their time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from monitor.evaluate.compact import compact_version
from monitor.evaluate.context import Contexts
from monitor.evaluate.gaps import gap_waiting, gap_window
from monitor.jobs.gently import in_steps
from monitor.jobs.occurrences import CLAIMED, EVALUATE, FOLD, window_occurrence
from monitor.jobs.profile_merging import ProfileMerging
from monitor.jobs.retention import Ages
from monitor.jobs.segment_look import SegmentLook
from monitor.jobs.settings import JobSettings
from monitor.jobs.steps import watched
from monitor.model.errors import DriftlineError, FenceLost, NotFound, Unavailable
from monitor.model.time import DAY_US, MINUTE_US
from monitor.rollout.succession import succeed
from monitor.store.compaction import compactable_versions
from monitor.store.dialect import wait_briefly
from monitor.store.drills import purge_drills
from monitor.store.engine import Store
from monitor.store.keys import purge_keys
from monitor.store.models import get_version_by_id
from monitor.store.notifications import purge_notifications
from monitor.store.purge import purge_deleted
from monitor.store.references import discard_reference, unfinished_references
from monitor.store.runs import JobRun, left_behind, purge_runs, sweep
from monitor.store.windows import dirty_closed
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)
KEYS_KEPT_US = 7 * DAY_US
NOTIFICATIONS_KEPT_US = 400 * DAY_US
_AGAIN_US = MINUTE_US
_MOST_WINDOWS = 10_000
_KEYS_SECONDS = 60.0  # in an hour: an index entry each, they go at least ten times as fast as they come
_MOST_VERSIONS = 200


class Upkeep:
    """Sweeps and tidies, each as often as the settings say."""

    def __init__(
        self, store: Store, *, telemetry: Telemetry, settings: JobSettings, contexts: Contexts | None = None
    ) -> None:  # fmt: skip
        self._store = store
        self._telemetry = telemetry
        self._settings = settings
        self._done_us: dict[str, int] = {}
        self._failing: set[str] = set()  # the parts of retention whose last run did not end well
        self._segments = SegmentLook(store)
        self._profiles = ProfileMerging(store, ages=settings.profile_ages)
        self._ages = Ages(store, contexts=contexts or Contexts(), retention=settings.retention)

    def task(self, now_us: Callable[[], int]) -> bool:
        """Tidies if it is time; for a lane."""
        try:
            self.tidy(now_us=now_us())
        except DriftlineError as away:
            _log.warning("upkeep waits: %s", away)
            return False
        return True

    def sweep(self, *, now_us: int) -> None:
        """Makes gaps of the windows whose fifth attempt was left behind."""
        if not self._time_for("sweep", every_us=self._settings.sweep_every_us, now_us=now_us):
            return
        with self._store.read() as conn:
            left = left_behind(conn)
        for id in left:
            try:
                self._sweep_one(id, now_us=now_us)
            except Unavailable:
                raise
            except Exception:  # of one run; the others and the next sweep do not wait for it
                _log.exception("run %d, left behind in its last attempt, could not be ended", id)

    def _sweep_one(self, id: int, *, now_us: int) -> None:
        with self._store.write() as conn:
            wait_briefly(conn)
            run = sweep(conn, id=id)
            if run is None:
                return
            try:
                self._give_up(conn, run, now_us=now_us)
            except (NotFound, FenceLost):
                _log.info("%s of %s: the version is deleted", run.job, run.subject)
        _log.error("%s of %s was left behind in its last attempt", run.job, run.subject)

    def tidy(self, *, now_us: int) -> None:
        """Lets versions follow, has references cut anew, compacts, removes what is past its time."""
        if self._time_for("succession", every_us=self._settings.succession_every_us, now_us=now_us):
            succeed(self._store, now_us=now_us, max_segments=self._settings.max_segments)
        if self._time_for("segments", every_us=self._settings.segments_every_us, now_us=now_us):
            self._segments.look(now_us=now_us)
        if self._time_for("compact", every_us=self._settings.compact_every_us, now_us=now_us):
            with watched("compact", telemetry=self._telemetry):
                self.compact()
        if self._time_for("retention", every_us=self._settings.tidy_every_us, now_us=now_us):
            with self._retaining("retention", every_us=self._settings.tidy_every_us):
                self._purge(now_us=now_us)
                whole = self._ages.run(now_us=now_us)
            if not whole:
                self._done_us.pop("retention")
        if self._time_for("deleted", every_us=self._settings.purge_every_us, now_us=now_us):
            with self._retaining("deleted", every_us=self._settings.purge_every_us):
                if not in_steps(self._store, purge_deleted):
                    del self._done_us["deleted"]  # there is more: go on with the next look
        if self._time_for("profiles", every_us=self._settings.tidy_every_us, now_us=now_us):
            with self._retaining("profiles", every_us=self._settings.tidy_every_us):
                if not self._profiles.run(now_us=now_us):
                    del self._done_us["profiles"]  # there is more: go on with the next look

    @contextmanager
    def _retaining(self, part: str, *, every_us: int) -> Iterator[None]:
        """The block is a part of the step ``retention``, which has succeeded when all of its parts have.

        Else one that always fails would be late to nobody: another one succeeds every minute. One that finds the
        database away is tried again after ``_AGAIN_US``, not after its hour; the others have their turn before that.
        """
        self._failing.add(part)
        try:
            with watched("retention", telemetry=self._telemetry, whole=lambda: not self._failing):
                yield
                self._failing.discard(part)
        except Unavailable:
            self._done_us[part] -= max(0, every_us - _AGAIN_US)
            raise

    def compact(self) -> int:
        """How many batches became part of segments."""
        with self._store.read() as conn:
            versions = compactable_versions(conn)[:_MOST_VERSIONS]
        return sum(compact_version(self._store, version_id=version_id) for version_id in versions)

    def _give_up(self, conn: Connection, run: JobRun, *, now_us: int) -> None:
        reason = run.error or "the process that computed it stopped"
        if run.job == FOLD:
            gap_waiting(conn, version_id=int(run.subject), reason=reason, now_us=now_us)
            return
        if run.job != EVALUATE:
            return
        model, version = get_version_by_id(conn, id=int(run.subject))
        windows = dirty_closed(conn, version_id=version.id, closed_before_us=now_us, limit=_MOST_WINDOWS)
        for window in windows:
            closes_us = window.end_us + model.lateness_us
            if window_occurrence(closes_us=closes_us, revision=window.revision) == run.scheduled_us:
                gap_window(conn, window=window, reason=reason, now_us=now_us)

    def _purge(self, *, now_us: int) -> None:
        with self._store.write() as conn:
            purge_runs(conn, before_us=now_us - self._settings.keep_runs_us, unneeded=CLAIMED)
            purge_notifications(conn, before_us=now_us - NOTIFICATIONS_KEPT_US)
            purge_drills(conn, before_us=now_us - NOTIFICATIONS_KEPT_US)
        in_steps(self._store, partial(purge_keys, before_us=now_us - KEYS_KEPT_US), seconds=_KEYS_SECONDS)
        with self._store.read() as conn:
            begun = list(unfinished_references(conn, before_us=now_us - DAY_US))
        for reference_id in begun:
            with self._store.write() as conn:
                discard_reference(conn, reference_id=reference_id)

    def _time_for(self, what: str, *, every_us: int, now_us: int) -> bool:
        last_us = self._done_us.get(what)
        if last_us is not None and 0 <= now_us - last_us < every_us:
            return False
        self._done_us[what] = now_us
        return True
