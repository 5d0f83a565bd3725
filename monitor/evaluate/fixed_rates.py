"""What a fixed threshold costs: how often it would have been in alarm on the version's own healthy windows.

Healthy is a judged window in which nothing but fixed thresholds was in alert, unless people said otherwise: were those
asked too, each would find that it never alarmed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from typing import Literal

from sqlalchemy import Connection

from monitor.alert.codec import decode_history
from monitor.alert.history import History
from monitor.alert.own_windows import MEASURED, judge_own, own_windows
from monitor.alert.tally import CheckTally
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.simulate import Simulator, Trial, under
from monitor.model.checks import Check, checks_of, deciding_columns
from monitor.model.entities import Model
from monitor.model.errors import Conflict, NotFound, Unavailable
from monitor.model.results import ResultRow
from monitor.model.schema import Schema
from monitor.model.thresholds import Bound, Threshold
from monitor.store.engine import Store
from monitor.store.judged import JudgedWindow, alerts_of, newest_judged_windows
from monitor.store.marks import marks_of
from monitor.store.references import reference_history
from monitor.store.versions import newest_live_version

log = logging.getLogger(__name__)
MOST_WINDOWS = 1_000
MOST_WORK = 60_000  # windows times columns: a few seconds
WAIT_SECONDS = 5.0  # for the one place there is; what is set is stored already, and its rate can be asked for later
_PAGE = 50
_LOOKED = 4  # times the wanted windows: an endless alarm is not searched through to its beginning
_OF_COLUMNS = ("drift", "quality")
_OF_DATA = (*_OF_COLUMNS, "volume")
_MOST_ASKING = 2  # each holds a thread, of which the API has 40
_WINDOW_COLUMNS = 15  # what reading a window costs by itself, in columns
_NEVER = Threshold(alert=Bound(above=math.inf))
_IDLE = "it decides no column: none is as it says, or a later check of its kind and metric decides them"
_ELSEWHERE = "it is judged in segments only, and rates are counted of all traffic"

Source = Literal["production", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRate:
    """One check's tally on healthy windows of a version; ``source`` None and the ``reason`` where there are none.

    ``level`` is what counts as alarm: *alert*, or *warning* for a threshold that has no other bound.
    """

    check: Check
    version: str | None
    level: Literal["warning", "alert"]
    windows_per_month: float
    source: Source | None = None
    tally: CheckTally | None = None
    reason: str | None = None


class FixedRates:
    """Counts, for checks with a fixed threshold, their alarms in healthy history; it writes nothing."""

    def __init__(self, store: Store, *, contexts: Contexts, simulator: Simulator) -> None:
        self._store = store
        self._contexts = contexts
        self._simulator = simulator
        self._asking = BoundedSemaphore(_MOST_ASKING)

    def of_model(
        self,
        model: Model,
        *,
        checks: Sequence[Check],
        now_us: int,
        work: int = MOST_WORK,
        wait_seconds: float = WAIT_SECONDS,
    ) -> list[FixedRate]:
        """The rates on the history of the model's newest live version; no answer but its reason where there is none.

        Whatever goes wrong is a reason too: the checks are set already.
        """
        if not any(check.enabled and check.threshold is not None for check in checks):
            return []
        try:
            with self._store.read() as conn:
                _, version = newest_live_version(conn, model=model.name)
                context = self._contexts.load(conn, version_id=version.id)
            with self._place(), self._simulator.claimed(wait_seconds=wait_seconds):
                return self.of_version(context, checks=checks, now_us=now_us, work=work)
        except NotFound:
            return _not_known(model, checks=checks, reason="no history")
        except Unavailable:
            return _not_known(model, checks=checks, reason="another simulation runs: ask checks/simulate later")
        except Conflict as moved:
            return _not_known(model, checks=checks, reason=moved.detail)
        except Exception:
            log.exception("the rates of the fixed thresholds of model %s could not be counted", model.name)
            return _not_known(model, checks=checks, reason="counting failed: the server's log says why")

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._asking.acquire(blocking=False):
            raise Unavailable("the rates of other models are being counted")
        try:
            yield
        finally:
            self._asking.release()

    def of_version(
        self, context: VersionContext, *, checks: Sequence[Check], now_us: int, work: int = MOST_WORK
    ) -> list[FixedRate]:
        """The rate of every enabled check with a fixed threshold, by the version's windows or the reference's own.

        In all traffic: of a check that is judged in segments only nothing is counted. ``checks`` are all of the
        model's: they say which columns each decides. ``work`` bounds windows × columns, and what windows and checks
        cost beside their columns.
        """
        every = [check for check in checks if check.enabled and check.threshold is not None]
        checks = checks_of(checks, segment="")
        asked = [check for check in every if check in checks]
        if not asked:
            return [_unrated(check, context=context, reason=_ELSEWHERE) for check in every]
        columns = 1 if context.layout is None else max(len(context.layout.columns), 1)
        each = (columns + _WINDOW_COLUMNS) * max(len(checks) // 10, 1)
        most = max(min(MOST_WINDOWS, work // each), 1)
        rated = frozenset(check.name for check in asked)
        with self._store.read() as conn:
            healthy = healthy_windows(conn, version_id=context.version.id, rated=rated, most=most)
            history = _own_history(conn, context=context)
        own = 0 if history is None else history.own
        enough = min(own, math.ceil(context.model.window.per_month))
        source: Source = "production"
        if history is not None and len(healthy) < max(enough, 1):
            source, tallies = "reference", _of_reference(context, checks=checks, history=history, most=most)
        else:
            tallies = self._tallies(context, checks=checks, healthy=healthy, now_us=now_us)
        deciding = deciding_columns(checks, schema=context.schema or Schema(columns=()))
        return [
            _unrated(check, context=context, reason=_ELSEWHERE)
            if check not in asked
            else _rated(check, context=context, source=source, tally=tallies.get(check.name))
            if deciding[check.name] or check.kind not in _OF_COLUMNS or context.schema is None
            else _unrated(check, context=context, reason=_IDLE)
            for check in every
        ]

    def _tallies(
        self, context: VersionContext, *, checks: Sequence[Check], healthy: list[JudgedWindow], now_us: int
    ) -> dict[str, CheckTally]:
        only_fixed = tuple(_deciding_nothing(checks))
        trial = Trial([only_fixed])
        retried = self._simulator.retry(iter(healthy), version_id=context.version.id, sets=[only_fixed], now_us=now_us)
        for one in retried:
            trial.add(one)
        return trial.tallies[0]


def healthy_windows(conn: Connection, *, version_id: int, rated: frozenset[str], most: int) -> list[JudgedWindow]:
    """The newest judged windows held healthy, oldest first: with rows, and no alert but of fixed thresholds.

    What people said of a window comes before: a fixed threshold that told of an incident was right.
    """
    found: list[JudgedWindow] = []
    before_us, looked = None, 0
    while len(found) < most and looked < _LOOKED * most:
        page = newest_judged_windows(conn, version_id=version_id, min_rows=1, before_us=before_us, limit=_PAGE)
        said = marks_of(conn, version_id=version_id, starts=[window.start_us for window in page])
        for window in page:
            mark = said.get(window.start_us)
            by_checks = mark is None and (
                window.status != "alert" or not _ill(conn, version_id, window=window, rated=rated)
            )  # fmt: skip
            if by_checks or (mark is not None and mark.healthy):
                found.append(window)
        looked += len(page)
        if len(page) < _PAGE:
            break
        before_us = page[-1].start_us
    return found[:most][::-1]


def level_of(check: Check) -> Literal["warning", "alert"]:
    """What counts as alarm of a fixed threshold: alert, or warning where there is no other bound."""
    return "warning" if check.threshold is not None and check.threshold.alert is None else "alert"


def _ill(conn: Connection, version_id: int, *, window: JudgedWindow, rated: frozenset[str]) -> bool:
    alerts = alerts_of(conn, version_id=version_id, start_us=window.start_us)
    return any(row.check not in rated and not _by_fixed(row) for row in alerts)


def _by_fixed(row: ResultRow) -> bool:
    """Whether a fixed threshold decided the row: those of ``auto`` are told by what they are decided by."""
    if row.kind == "drift":
        return row.metric != "surprise"
    if row.kind == "quality":
        return "decided_by" not in row.method
    return row.kind == "volume" and bool(row.value)


def _deciding_nothing(checks: Iterable[Check]) -> Iterator[Check]:
    """The checks, those of ``auto`` keeping the columns they decide and never failing: they need no evidence then."""
    for check in checks:
        if check.threshold is not None:
            yield check
        elif check.kind in _OF_COLUMNS:
            yield replace(check, threshold=_NEVER)


def _own_history(conn: Connection, *, context: VersionContext) -> History | None:
    if context.reference is None:
        return None
    payload = reference_history(conn, reference_id=context.reference.reference.id)
    history = None if payload is None else decode_history(payload)
    return history if history is not None and history.own else None


def _of_reference(
    context: VersionContext, *, checks: Sequence[Check], history: History, most: int
) -> dict[str, CheckTally]:
    """Check → its tally on the newest of the reference's own windows, where they are kept finely enough to say it."""
    asked = tuple(c for c in checks if c.enabled and c.kind in _OF_DATA)
    # What is held against other windows than the reference's is not known of its own.
    rated = {c.name for c in under(context, checks=tuple(checks)).groups[0].checks}
    tallies = {
        c.name: CheckTally(c) for c in asked if c.threshold is not None and c.metric in MEASURED and c.name in rated
    }
    metrics = frozenset(tally.check.metric for tally in tallies.values())
    schema, spec = context.schema or Schema(columns=()), context.model.window
    expected = float(round(history.rows[: history.own].mean()))
    for window in own_windows(history, metrics=metrics, most=most):
        for verdict, rows in judge_own(window, checks=asked, schema=schema, expected_rows=expected):
            if verdict.check in tallies:
                start_us = window.start_us
                tallies[verdict.check].add(verdict, rows, start_us=start_us, end_us=spec.end_of(start_us))
    return tallies


def _rated(check: Check, *, context: VersionContext, source: Source, tally: CheckTally | None) -> FixedRate:
    decided = tally is not None and tally.whole.decided > 0
    undecided = None if tally is None else next(iter(tally.whole.reasons), None)
    if tally is None and source == "reference":
        undecided = f"the reference's own windows are kept as counts that do not say {check.metric or check.kind}"
    return FixedRate(
        check=check, version=context.version.name, level=level_of(check), source=source if decided else None,
        windows_per_month=context.model.window.per_month, tally=tally if decided else None,
        reason=None if decided else undecided or "no history",
    )  # fmt: skip


def _unrated(check: Check, *, context: VersionContext, reason: str) -> FixedRate:
    return FixedRate(
        check=check, version=context.version.name, level=level_of(check),
        windows_per_month=context.model.window.per_month, reason=reason,
    )  # fmt: skip


def _not_known(model: Model, *, checks: Iterable[Check], reason: str) -> list[FixedRate]:
    return [
        FixedRate(
            check=check, version=None, level=level_of(check), windows_per_month=model.window.per_month,
            reason=reason,
        )
        for check in checks
        if check.enabled and check.threshold is not None
    ]  # fmt: skip
