"""All that one version has to do now, in order: fold, join, compute closed windows, notice silence, calibrate.

Each piece is claimed, done and finished by itself; what fails is tried again, five times in all, and then its
windows are gaps. Whatever goes wrong here ends here: other versions never see it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.evaluate.catchup import closes_us
from monitor.evaluate.fold import Folded, Folder
from monitor.evaluate.gaps import gap_waiting, gap_window
from monitor.evaluate.guard import Guard
from monitor.evaluate.learning import Learner
from monitor.evaluate.window import Evaluated, Evaluator
from monitor.jobs.attempts import Attempts
from monitor.jobs.label_work import LabelWork
from monitor.jobs.occurrences import CALIBRATE, EVALUATE, FOLD, SILENCE, fold_occurrence, window_occurrence
from monitor.jobs.plan import Due
from monitor.model.entities import Model
from monitor.model.errors import FenceLost, NotFound, Unavailable
from monitor.store.engine import Store
from monitor.store.runs import Claim
from monitor.store.versions import lock_version
from monitor.store.windows import WindowRow, dirty_closed
from monitor.telemetry import Telemetry

_log = logging.getLogger(__name__)
_TOGETHER = 32


@dataclass(slots=True)
class Tally:
    """What was done: slices folded, passes of joins, windows computed, attempts that failed."""

    folds: int = 0
    joins: int = 0
    windows: int = 0
    failures: int = 0
    silence_us: int | None = None  # of one version: when to look for silence again

    def add(self, other: Tally) -> None:
        """Takes the other's counts in."""
        self.folds += other.folds
        self.joins += other.joins
        self.windows += other.windows
        self.failures += other.failures

    @property
    def anything(self) -> bool:
        """Whether anything was done or tried."""
        return bool(self.folds or self.joins or self.windows or self.failures)


@dataclass(slots=True)
class Listed:
    """Windows that are due: those claimed, those somebody else has; ``whole`` says that these are all."""

    claimed: list[tuple[WindowRow, Claim]] = field(default_factory=list)
    refused: list[WindowRow] = field(default_factory=list)
    whole: bool = False

    def take(self, other: Listed) -> None:
        """Adds what was listed since."""
        self.claimed += other.claimed
        self.refused += other.refused
        self.whole = other.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps that a version's work is made of."""

    folder: Folder
    evaluator: Evaluator
    learner: Learner
    labels: LabelWork


class VersionWork:
    """Does one version's due work; safe to run for several versions at once."""

    def __init__(self, store: Store, *, telemetry: Telemetry, attempts: Attempts, steps: Steps) -> None:
        self._store = store
        self._telemetry = telemetry
        self._attempts = attempts
        self._steps = steps

    def run(self, due: Due, *, now_us: int, fold_claim: Claim | None = None) -> Tally:
        """What was done of what is due; never raises for what the version itself brings about."""
        tally = Tally()
        listed = Listed()
        try:
            if due.fold and not self._fold(due, listed=listed, now_us=now_us, tally=tally, first=fold_claim):
                return tally  # without the rows that wait a window is not what it will be
            if due.fold and due.labelled:
                tally.joins += self._steps.labels.after_fold(due.model.id, now_us=now_us)
            self._windows(due, listed=listed, now_us=now_us, tally=tally)
            if due.silence and not due.fold:  # with new rows another window may be the newest: the next look says
                self._silence(due, now_us=now_us, tally=tally)
            if tally.windows:
                self._learn(due, judged=tally.windows, now_us=now_us)
        except NotFound:
            _log.info("version %d was deleted while it was worked on", due.version_id)
        except Unavailable as away:
            _log.warning("version %d waits for the database: %s", due.version_id, away)
        finally:
            for _, claim in listed.claimed:  # not come to: somebody else may
                self._attempts.give_back(claim)
        return tally

    def claim_folds(self, dues: list[Due], *, now_us: int) -> dict[int, Claim]:
        """Version id → the claim of its next fold, for those that could be claimed; one transaction for all."""
        with self._store.write() as conn:
            claims = {  # by id, as joins do: of two that lock several versions neither waits for the other
                version_id: self._claim_fold(conn, version_id=version_id, now_us=now_us)
                for version_id in sorted(due.version_id for due in dues)
            }
        held = {version_id: claim for version_id, claim in claims.items() if claim is not None}
        self._attempts.leases.hold(list(held.values()))
        return held

    def _claim_fold(self, conn: Connection, *, version_id: int, now_us: int) -> Claim | None:
        try:
            fold_seq = lock_version(conn, id=version_id).fold_seq
        except FenceLost:  # deleted since the plan was made
            return None
        occurrence = fold_occurrence(fold_seq=fold_seq, now_us=now_us)
        return self._attempts.claim(conn, job=FOLD, subject=str(version_id), scheduled_us=occurrence)

    def _fold(self, due: Due, *, listed: Listed, now_us: int, tally: Tally, first: Claim | None) -> bool:
        """Whether nothing waits any more: slice after slice, each under a claim of its own."""
        claim = first
        while True:
            if claim is None:
                with self._store.write() as conn:
                    claim = self._claim_fold(conn, version_id=due.version_id, now_us=now_us)
            if claim is None:
                return False
            folded = self._attempts.run(
                claim, step="fold",
                work=lambda guard: self._fold_slice(due, listed=listed, guard=guard, now_us=now_us),
                lost=lambda conn, reason: gap_waiting(conn, version_id=due.version_id, reason=reason, now_us=now_us),
            )  # fmt: skip
            claim = None
            if folded is None:
                tally.failures += 1
                return False
            tally.folds += 1
            self._count(folded, model=due.model.name, version=due.version.name)
            if not folded.more:
                return True

    def _fold_slice(self, due: Due, *, listed: Listed, guard: Guard, now_us: int) -> Folded | None:
        """A slice folded; the windows that are due then are claimed in the same transaction."""
        found = Listed()

        def finish_and_claim(conn: Connection) -> None:
            guard(conn)
            found.take(self._claim_due(conn, due, tried=set(), now_us=now_us))

        folded = self._steps.folder.fold_slice(version_id=due.version_id, guard=finish_and_claim, now_us=now_us)
        if folded is not None:
            self._attempts.leases.hold([claim for _, claim in found.claimed])
            listed.take(found)
        return folded

    def _count(self, folded: Folded, *, model: str, version: str) -> None:
        if folded.deduplicated:
            self._telemetry.deduplicated.labels(model=model, version=version).inc(folded.deduplicated)
        if folded.late_rows:
            self._telemetry.late_rows.labels(model=model, version=version).inc(folded.late_rows)

    def _windows(self, due: Due, *, listed: Listed, now_us: int, tally: Tally) -> None:
        """Closed dirty windows, oldest first; one that cannot be claimed is left to who has it."""
        tried: set[tuple[int, int]] = set()
        while True:
            while listed.claimed:
                window, claim = listed.claimed.pop(0)
                tried.add((window.start_us, window.revision))
                self._window(claim, window=window, now_us=now_us, tally=tally)
            if listed.whole:
                return
            with self._store.write() as conn:
                found = self._claim_due(conn, due, tried=tried, now_us=now_us)
            self._attempts.leases.hold([claim for _, claim in found.claimed])
            tried |= {(window.start_us, window.revision) for window in found.refused}
            listed.take(found)

    def _claim_due(self, conn: Connection, due: Due, *, tried: set[tuple[int, int]], now_us: int) -> Listed:
        """The next closed dirty windows, claimed where they can be."""
        closed_before_us = now_us - due.model.lateness_us
        windows = dirty_closed(
            conn, version_id=due.version_id, closed_before_us=closed_before_us, limit=_TOGETHER + len(tried)
        )
        found = Listed(whole=len(windows) < _TOGETHER + len(tried))
        for window in windows:
            if (window.start_us, window.revision) not in tried:
                claim = self._claim_window(conn, due.model, window)
                if claim is None:
                    found.refused.append(window)
                else:
                    found.claimed.append((window, claim))
        return found

    def _claim_window(self, conn: Connection, model: Model, window: WindowRow) -> Claim | None:
        occurrence = window_occurrence(closes_us=window.end_us + model.lateness_us, revision=window.revision)
        return self._attempts.claim(conn, job=EVALUATE, subject=str(window.version_id), scheduled_us=occurrence)

    def _window(self, claim: Claim, *, window: WindowRow, now_us: int, tally: Tally) -> None:
        done = self._attempts.run(
            claim, step="evaluate",
            work=lambda guard: self._steps.evaluator.evaluate(
                version_id=window.version_id, start_us=window.start_us, now_us=now_us, guard=guard
            ),
            lost=lambda conn, reason: gap_window(conn, window=window, reason=reason, now_us=now_us),
        )  # fmt: skip
        tally.windows += done is not None
        tally.failures += done is None

    def _silence(self, due: Due, *, now_us: int, tally: Tally) -> None:
        """Closed windows without a row behind the newest with some: no volume."""
        found = self._steps.evaluator.silence(version_id=due.version_id, now_us=now_us)
        tally.silence_us = found.next_us
        for start_us, end_us in found.windows:
            with self._store.write() as conn:
                claim = self._attempts.claim(
                    conn, job=SILENCE, subject=str(due.version_id), scheduled_us=closes_us(due.model, start_us)
                )
            if claim is not None:
                done = self._silent_window(claim, start_us=start_us, end_us=end_us, now_us=now_us)
                tally.windows += done is not None

    def _silent_window(self, claim: Claim, *, start_us: int, end_us: int, now_us: int) -> Evaluated | None:
        return self._attempts.run(
            claim, step="evaluate",
            work=lambda guard: self._steps.evaluator.evaluate_silence(
                version_id=int(claim.subject), start_us=start_us, end_us=end_us, now_us=now_us, guard=guard
            ),
        )  # fmt: skip

    def _learn(self, due: Due, *, judged: int, now_us: int) -> None:
        """Calibrates again when enough healthy windows have come since, or a baseline has no calibration yet."""
        version_id = due.version_id
        configured = (due.model.updated_us, due.version.updated_us, due.version.reference_id)
        scheduled_us = self._steps.learner.due(
            version_id=version_id, judged=judged, now_us=now_us, configured=configured
        )
        if scheduled_us is None:
            return
        with self._store.write() as conn:
            claim = self._attempts.claim(conn, job=CALIBRATE, subject=str(version_id), scheduled_us=scheduled_us)
        if claim is not None:
            self._attempts.run(
                claim, step="evaluate",
                work=lambda guard: self._steps.learner.learn(version_id=version_id, now_us=now_us, guard=guard),
            )  # fmt: skip
