"""Stored windows judged by other checks than those in force: the service's own verdicts, and nothing written.

Windows are read one at a time, so that memory does not grow with their number. They are judged by the reference and
the calibration of today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore

from monitor.alert.cells import Counts
from monitor.alert.recent import LONGEST, encode_counts
from monitor.alert.tally import CheckTally
from monitor.evaluate.context import VersionContext
from monitor.evaluate.groups import all_in_one, groups_of
from monitor.evaluate.guard import Moved
from monitor.evaluate.judging import Judged, judge_window
from monitor.evaluate.recent_counts import counts_of
from monitor.evaluate.ruling import judged_of
from monitor.evaluate.seen import Seen
from monitor.evaluate.verdicts import failed_verdicts
from monitor.evaluate.window import Evaluator
from monitor.evaluate.window_card import WindowCard
from monitor.model.checks import Check, default_checks
from monitor.model.checks import checks_of as checks_in
from monitor.model.errors import Conflict, InvalidInput, Unavailable
from monitor.model.results import ResultRow
from monitor.profile.profile import Profile
from monitor.store.engine import Store
from monitor.store.judged import JudgedWindow, count_judged, judged_windows, newest_judged_start

USUAL_WINDOWS = 1_000  # the newest ones, where no range is given
MOST_WINDOWS = 10_000
_PAGE = 500
_FOREVER_US = 2**62
_BUSY_SECONDS = 5

Checks = tuple[Check, ...] | None  # None: those of a model that names none


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The judged windows of a version that start in ``[from_us, to_us)``, and how many they are."""

    version_id: int
    from_us: int
    to_us: int
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """One stored window judged by several sets of checks, in their order; None and why where it could not be."""

    window: JudgedWindow
    judged: tuple[Judged, ...] | None
    reason: str | None = None


class Simulator:
    """Judges stored windows again, one question at a time; it writes nothing."""

    def __init__(self, store: Store, *, evaluator: Evaluator) -> None:
        self._store = store
        self.evaluator = evaluator
        self._free = BoundedSemaphore(1)

    @contextmanager
    def claimed(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """The one place there is, for it costs a core; ``Unavailable`` where it is still taken after the wait."""
        if not self._free.acquire(timeout=wait_seconds):
            raise Unavailable(
                "another simulation or drill runs in this process: ask again when it is done",
                retry_after_seconds=_BUSY_SECONDS,
            )
        try:
            yield
        finally:
            self._free.release()

    def stretch(self, *, version_id: int, from_us: int | None, to_us: int | None) -> Stretch:
        """The judged windows in the range; the newest 1,000 of them where it has no beginning.

        ``InvalidInput`` where they are more than ``MOST_WINDOWS``.
        """
        since_us, until_us = (0 if from_us is None else from_us), (_FOREVER_US if to_us is None else to_us)
        with self._store.read() as conn:
            if from_us is None:
                begin_us = newest_judged_start(
                    conn, version_id=version_id, from_us=since_us, to_us=until_us, windows=USUAL_WINDOWS
                )
                since_us = since_us if begin_us is None else begin_us
            count = count_judged(
                conn, version_id=version_id, from_us=since_us, to_us=until_us, most=MOST_WINDOWS + 1
            )  # fmt: skip
        if count > MOST_WINDOWS:
            raise InvalidInput(
                f"the range from … to … holds more than {MOST_WINDOWS:,} judged windows: expected at most so many; "
                "narrow it by from and to, or leave from out for the newest 1,000", code="too_many_windows",
            )  # fmt: skip
        return Stretch(version_id=version_id, from_us=since_us, to_us=until_us, windows=count)

    def windows(self, stretch: Stretch) -> Iterator[JudgedWindow]:
        """The windows of the stretch, oldest first, read a page at a time."""
        after: int | None = None
        while True:
            with self._store.read() as conn:
                page = judged_windows(
                    conn, version_id=stretch.version_id, from_us=stretch.from_us, to_us=stretch.to_us, after=after,
                    limit=_PAGE,
                )  # fmt: skip
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].start_us

    def retry(
        self, windows: Iterator[JudgedWindow], *, version_id: int, sets: Sequence[Checks], now_us: int
    ) -> Iterator[Retried]:
        """The windows judged by each set of checks; ``Conflict`` where the reference changes meanwhile."""
        least_rows = max((least_rows_of(checks) for checks in sets), default=0)
        lefts = [_Left() for _ in sets]
        used: tuple[int | None, int | None] | None = None
        for window in windows:
            found = self._read(version_id=version_id, window=window, least_rows=least_rows)
            if isinstance(found, str):
                yield Retried(window=window, judged=None, reason=found)
                continue
            seen, profile = found
            now = seen.context.version.layout_id, seen.context.version.reference_id
            used = used or now
            if now != used:
                raise Conflict("the version's reference or its cells changed meanwhile: ask again")
            card = self.evaluator.card_of(seen, now_us=now_us) if seen.window.rows else None
            own = counts_of(seen.context, profile) if seen.window.rows and seen.window.state != "gap" else None
            try:
                judged = tuple(
                    _judged(self._held(left.added_to(seen, checks=checks)), profile, own, card, now_us)
                    for checks, left in zip(sets, lefts, strict=True)
                )
            except Moved:  # what it is held against changes right now
                yield Retried(window=window, judged=None, reason="moved")
                continue
            for left, one in zip(lefts, judged, strict=True):
                left.keep(seen, own=own, alone=one.alone)
            yield Retried(window=window, judged=judged)

    def _held(self, seen: Seen) -> Seen:
        """The window with what its checks are held against beside the reference."""
        return replace(seen, held=self.evaluator.held(seen.context, start_us=seen.window.start_us))

    def _read(self, *, version_id: int, window: JudgedWindow, least_rows: int) -> tuple[Seen, Profile | None] | str:
        """The window with its profile, or why there is nothing to judge."""
        try:
            seen = self.evaluator.read(
                version_id=version_id, start_us=window.start_us, least_rows=least_rows, sliced=False
            )
        except Moved:  # what it is held against changes right now
            return "moved"
        if seen is None:
            if window.rows:
                return "gone"
            return self.evaluator.read_silence(version_id=version_id, start_us=window.start_us, end_us=window.end_us)
        if seen.window.merged_layout_id is not None:
            return "merged"
        if seen.window.state == "gap":
            return seen, None
        try:
            profile = self.evaluator.profile_of(seen)
        except Moved:  # rows come right now, or are gone and were counted in other cells
            return "moved"
        return seen, profile


class Trial:
    """Sets of checks tried on the same windows of all traffic: what each check would have said, and what was recorded.

    Checks that are judged in segments only say nothing there.
    """

    def __init__(self, sets: Sequence[tuple[Check, ...]]) -> None:
        self.tallies = tuple(
            {check.name: CheckTally(check) for check in checks_in(checks, segment="")} for checks in sets
        )
        self.recorded: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.windows = 0

    def add(self, retried: Retried) -> None:
        """Counts one window."""
        window = retried.window
        self.recorded[window.status] += 1
        if retried.judged is None:
            self.skipped[retried.reason or "gone"] += 1
            return
        self.windows += 1
        for tallies, judged in zip(self.tallies, retried.judged, strict=True):
            of_check: dict[str, list[ResultRow]] = {}
            for row in judged.rows:  # some of performance belong to no check
                of_check.setdefault(row.check, []).append(row)
            for verdict in judged.verdicts:
                name = verdict.check
                tallies[name].add(verdict, of_check.get(name, ()), start_us=window.start_us, end_us=window.end_us)


def under(context: VersionContext, *, checks: Checks) -> VersionContext:
    """The context as it would be with those checks set."""
    settings = {name: value for name, value in context.model.settings.items() if name != "checks"}
    if checks is not None:
        settings["checks"] = [check.to_json() for check in checks]
    whole, model = checks_in(given(checks), segment=""), replace(context.model, settings=settings)
    under_them = replace(context, checks=whole, model=model, slices=())
    if context.schema is None or context.reference is None:
        return replace(under_them, groups=all_in_one(whole))
    groups = groups_of(
        given(checks), model=context.model, version=context.version, schema=context.schema,
        segments=[one.name for one in context.segments],
    )  # fmt: skip
    return replace(under_them, groups=groups[""])


def given(checks: Checks) -> tuple[Check, ...]:
    """The checks, or the default ones."""
    return default_checks() if checks is None else checks


def least_rows_of(checks: Checks) -> int:
    """The most rows that any of the checks asks of a window."""
    return max((check.min_rows for check in given(checks) if check.enabled), default=0)


@dataclass(slots=True)
class _Left:
    """What windows judged by other checks would have left for the longer scales of later ones."""

    counts: dict[int, bytes] = field(default_factory=dict)  # start → as ``Evaluator.evaluate`` would have kept them

    def added_to(self, seen: Seen, *, checks: Checks) -> Seen:
        """The window as it would be seen with those checks set."""
        before = sorted((dict(seen.before) | self.counts).items()) if self.counts else seen.before
        return replace(seen, context=under(seen.context, checks=checks), before=before)

    def keep(self, seen: Seen, *, own: Counts | None, alone: bool) -> None:
        """Keeps the counts of a window, and of as many before it as a scale may reach back to."""
        calibration = seen.context.calibration
        if own is None or calibration is None or len(calibration.scales) < 2:
            return
        self.counts[seen.window.start_us] = b"" if alone else encode_counts(own)
        while len(self.counts) > LONGEST + 1:
            del self.counts[min(self.counts)]


def _judged(seen: Seen, profile: Profile | None, own: Counts | None, card: WindowCard | None, now_us: int) -> Judged:
    """The window's verdicts; of a gap, whose profile may be what failed, they are undecided as they were recorded."""
    if seen.window.state == "gap":
        verdicts = tuple(failed_verdicts(seen.context.checks, rows=seen.window.rows))
        return Judged(
            rows=(), verdicts=verdicts, status="unknown", data_status="unknown", reference_number=None, reference_rows=0
        )
    if not seen.window.rows:
        return judge_window(seen.context, window=seen.window, profile=profile, earlier=[])
    return judged_of(seen, profile=profile, own=own, card=card, now_us=now_us)
