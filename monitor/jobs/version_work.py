"""All that one version has to do now, in order: fold, join, compute closed windows, notice silence, calibrate.

Each piece is claimed, done and finished by itself; what fails is tried again, five times in all, and then its
windows are gaps. Whatever goes wrong here ends here: other versions never see it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from monitor.evaluate.catchup import closes_us
from monitor.evaluate.fold import Folded, Folder
from monitor.evaluate.gaps import gap_waiting, gap_window
from monitor.evaluate.guard import Guard
from monitor.evaluate.learning import Learner
from monitor.evaluate.window import Evaluated, Evaluator
from monitor.jobs.attempts import Attempts, Lost
from monitor.jobs.label_work import LabelWork
from monitor.jobs.occurrences import CALIBRATE, EVALUATE, FOLD, SILENCE, fold_occurrence, window_occurrence
from monitor.jobs.plan import Due
from monitor.model.entities import Model
from monitor.model.errors import NotFound, Unavailable
from monitor.store.dialect import wait_briefly
from monitor.store.engine import Store
from monitor.store.runs import Claim, is_open
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
    looked: bool = False  # of one version: whether it was looked for silence
    silence_us: int | None = None  # and when to look again

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
    """Windows that are due and claimed, oldest first; ``whole`` says that these are all that may be judged now.

    ``waits`` says that others are due and somebody else has the first of them: they are not overtaken.
    """

    claimed: list[tuple[WindowRow, Claim]] = field(default_factory=list)
    whole: bool = False
    waits: bool = False

    def take(self, other: Listed) -> None:
        """Adds what was listed since."""
        self.claimed += other.claimed
        self.whole, self.waits = other.whole, other.waits


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
            judged = self._windows(due, listed=listed, now_us=now_us, tally=tally)
            if judged and due.silence and not due.fold:  # with new rows another window may be the newest
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
        """Version id → the claim of its next fold, for those that could be claimed; one transaction for all.

        In the order of their ids: of two processes that claim the same neither waits for the other in turn.
        """
        with self._store.write() as conn:
            wait_briefly(conn)
            claims = {
                due.version_id: self._claim_fold(
                    conn, version_id=due.version_id, fold_seq=due.version.fold_seq, now_us=now_us
                )
                for due in sorted(dues, key=lambda due: due.version_id)
            }
        held = {version_id: claim for version_id, claim in claims.items() if claim is not None}
        self._attempts.leases.hold(list(held.values()))
        return held

    def give_up(self, due: Due, *, reason: str, now_us: int) -> None:
        """Uses up an attempt at the version's next fold, or at its next window, without making it."""
        if due.fold:
            held = self.claim_folds([due], now_us=now_us).get(due.version_id)
            if held is not None:
                self._attempts.give_up(held, reason=reason, lost=self._unfolded(due.version_id, now_us=now_us))
        elif due.windows:
            with self._store.write() as conn:
                wait_briefly(conn)
                listed = self._claim_due(conn, due, beside=(), now_us=now_us)
            for window, claim in listed.claimed:
                self._attempts.give_up(claim, reason=reason, lost=self._unjudged(window, now_us=now_us))

    def _unfolded(self, version_id: int, *, now_us: int) -> Lost:
        return lambda conn, reason: gap_waiting(conn, version_id=version_id, reason=reason, now_us=now_us)

    def _unjudged(self, window: WindowRow, *, now_us: int) -> Lost:
        return lambda conn, reason: gap_window(conn, window=window, reason=reason, now_us=now_us)

    def _claim_fold(self, conn: Connection, *, version_id: int, fold_seq: int, now_us: int) -> Claim | None:
        """The claim of the fold that follows ``fold_seq``; None too where it has been done since that was read."""
        occurrence = fold_occurrence(fold_seq=fold_seq, now_us=now_us)
        return self._attempts.claim(conn, job=FOLD, subject=str(version_id), scheduled_us=occurrence)

    def _fold(self, due: Due, *, listed: Listed, now_us: int, tally: Tally, first: Claim | None) -> bool:
        """Whether nothing waits any more: slice after slice, each under a claim of its own."""
        claim, fold_seq = first, due.version.fold_seq
        while True:
            if claim is None:
                with self._store.write() as conn:
                    claim = self._claim_fold(conn, version_id=due.version_id, fold_seq=fold_seq, now_us=now_us)
            if claim is None:
                return False
            folded = self._attempts.run(
                claim, step="fold",
                work=lambda guard: self._fold_slice(due, listed=listed, guard=guard, now_us=now_us),
                lost=self._unfolded(due.version_id, now_us=now_us),
            )  # fmt: skip
            claim = None
            if folded is None:
                tally.failures += 1
                return False
            fold_seq = folded.fold
            tally.folds += 1
            self._count(folded, model=due.model.name, version=due.version.name)
            if not folded.more:
                return True

    def _fold_slice(self, due: Due, *, listed: Listed, guard: Guard, now_us: int) -> Folded | None:
        """A slice folded; the windows that are due then are claimed in the same transaction."""
        found = Listed()

        def finish_and_claim(conn: Connection) -> None:
            guard(conn)
            found.take(self._claim_due(conn, due, beside=listed.claimed, now_us=now_us))

        folded = self._steps.folder.fold_slice(version_id=due.version_id, guard=finish_and_claim, now_us=now_us)
        if folded is not None:
            self._attempts.leases.hold([claim for _, claim in found.claimed])
            listed.take(found)
        return folded

    def _count(self, folded: Folded, *, model: str, version: str) -> None:
        if folded.deduplicated:
            self._telemetry.deduplicated.labels(model=model, version=version).inc(folded.deduplicated)
        if folded.too_late:
            self._telemetry.records.labels(model, version, "quarantined").inc(folded.too_late)
        if folded.late_rows:
            self._telemetry.late_rows.labels(model=model, version=version).inc(folded.late_rows)

    def _windows(self, due: Due, *, listed: Listed, now_us: int, tally: Tally) -> bool:
        """Whether all closed dirty windows are judged, oldest first: verdicts move by the newest, so none is overtaken.

        One that somebody else has, or that failed and is to be tried again, is waited for by those behind it.
        """
        while True:
            while listed.claimed:
                window, claim = listed.claimed.pop(0)
                if not self._window(claim, window=window, now_us=now_us, tally=tally):
                    return False
            if listed.whole:
                return not listed.waits
            with self._store.write() as conn:
                found = self._claim_due(conn, due, beside=(), now_us=now_us)
            self._attempts.leases.hold([claim for _, claim in found.claimed])
            listed.take(found)

    def _claim_due(
        self, conn: Connection, due: Due, *, beside: Sequence[tuple[WindowRow, Claim]], now_us: int
    ) -> Listed:
        """The next closed dirty windows beside ours, claimed up to the first that somebody else has."""
        closed_before_us, most = now_us - due.model.lateness_us, _TOGETHER + len(beside)
        windows = dirty_closed(conn, version_id=due.version_id, closed_before_us=closed_before_us, limit=most)
        ours = {window.start_us for window, _ in beside}
        found = Listed(whole=len(windows) < most)
        for window in windows:
            if window.start_us in ours:
                continue
            claim = self._claim_window(conn, due.model, window)
            if claim is not None:
                found.claimed.append((window, claim))
            elif is_open(
                conn, job=EVALUATE, subject=str(due.version_id), scheduled_us=_occurrence(due.model, window)
            ):  # fmt: skip
                found.whole = found.waits = True
                break
        return found

    def _claim_window(self, conn: Connection, model: Model, window: WindowRow) -> Claim | None:
        occurrence = _occurrence(model, window)
        return self._attempts.claim(conn, job=EVALUATE, subject=str(window.version_id), scheduled_us=occurrence)

    def _window(self, claim: Claim, *, window: WindowRow, now_us: int, tally: Tally) -> bool:
        done = self._attempts.run(
            claim, step="evaluate",
            work=lambda guard: self._steps.evaluator.evaluate(
                version_id=window.version_id, start_us=window.start_us, now_us=now_us, guard=guard
            ),
            lost=self._unjudged(window, now_us=now_us),
        )  # fmt: skip
        tally.windows += done is not None
        tally.failures += done is None
        return done is not None

    def _silence(self, due: Due, *, now_us: int, tally: Tally) -> None:
        """Closed windows without a row behind the newest with some: no volume."""
        found = self._steps.evaluator.silence(version_id=due.version_id, now_us=now_us)
        tally.looked, tally.silence_us = True, found.next_us
        for start_us, end_us in found.windows:
            subject, occurrence = str(due.version_id), closes_us(due.model, start_us)
            with self._store.write() as conn:
                claim = self._attempts.claim(conn, job=SILENCE, subject=subject, scheduled_us=occurrence)
                if claim is None and is_open(conn, job=SILENCE, subject=subject, scheduled_us=occurrence):
                    return  # somebody else has it, and those behind it come after it
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


def _occurrence(model: Model, window: WindowRow) -> int:
    return window_occurrence(closes_us=window.end_us + model.lateness_us, revision=window.revision)
