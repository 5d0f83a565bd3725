"""Why a window came out as it did, from what is stored of it: its result, its profile, those of the windows before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.alert.findings import Finding, verdict_of
from monitor.evaluate.context import Contexts
from monitor.evaluate.explained_window import Past, Stored, held_as_judged, read_past, read_window
from monitor.evaluate.reference_profile import budget
from monitor.evaluate.verdicts import worst
from monitor.explain.explain import Case, explain
from monitor.explain.explanation import Explanation
from monitor.model.checks import Check
from monitor.model.errors import NotFound
from monitor.model.names import nearest
from monitor.model.results import SEVERITY_ORDER, ResultRow, Status, Transition
from monitor.model.time import rfc3339
from monitor.store.engine import Store
from monitor.store.results import StoredResult
from monitor.store.transitions import set_explanation, transitions_of_window

LOOKBACK = 168  # windows, in time, that the beginning of a change is looked for in


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An explanation with the result that it explains."""

    explanation: Explanation
    result: StoredResult


class Explainer:
    """Explains judged windows of one store."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts

    def explain(
        self,
        *,
        version_id: int,
        start_us: int,
        check: str | None = None,
        column: str | None = None,
        segment: str = "",
        dated: bool = True,
    ) -> Explained:
        """Why a check came out as it did in the window that starts then; the worst of its checks unless told.

        In all traffic unless told a ``segment``. ``dated`` false leaves out since when, which is most of the cost: a
        profile for each window before.
        ``NotFound`` where the window was not judged, or not by that check, or the check says nothing of the column.
        """
        with self._store.read() as conn:
            stored = read_window(
                conn, contexts=self._contexts, version_id=version_id, start_us=start_us, segment=segment
            )
            name = _check_name(stored.rows, asked=check, start_us=start_us)
        stored = held_as_judged(self._store, stored, check=name)
        rows = tuple(row for row in stored.rows if row.check == name)
        if column is not None and column not in {row.column for row in rows}:
            names = sorted({row.column for row in rows if row.column})
            raise NotFound(f"column {column[:80]!r} is not judged by {name}{nearest(column, names)}")
        configured = next((one for one in stored.context.checks if one.name == name), None)
        case = self._case(stored, rows=rows, check=configured, column=column, lookback=LOOKBACK if dated else 0)
        return Explained(explanation=explain(case), result=stored.result)

    def tell(self, *, version_id: int, start_us: int) -> int:
        """How many alerts of a window were given their words, those of the window as it is judged now.

        Without since when: should a thousand models alarm at once, their verdicts come first. Whoever asks for one
        alert is told.
        """
        with self._store.read() as conn:
            changes = transitions_of_window(conn, version_id=version_id, window_start_us=start_us)
        told: dict[int, str] = {}
        for change in changes:
            try:
                found = self.explain(
                    version_id=version_id, start_us=start_us, check=change.transition.check,
                    segment=change.transition.segment, dated=False,
                )  # fmt: skip
            except NotFound:  # the check is gone, or the version
                continue
            words = words_of(change.transition, explained=found)
            if words is not None and words != change.transition.explanation:
                told[change.id] = words
        if told:
            with self._store.write() as conn:
                for id, words in told.items():
                    set_explanation(conn, id=id, explanation=words)
        return len(told)

    def _case(
        self, stored: Stored, *, rows: tuple[ResultRow, ...], check: Check | None, column: str | None, lookback: int
    ) -> Case:
        context, sides = stored.context, stored.sides
        status, reason = _status(rows, check=check, n=stored.result.rows)
        past = Past() if sides is None else read_past(self._store, stored, sides=sides, rows=rows, lookback=lookback)
        allowed = check.false_alarms if check is not None and check.false_alarms else budget(context.model)
        return Case(
            check=rows[0].check, kind=rows[0].kind, status=status, reason=reason, results=rows,
            rows=stored.result.rows, window=context.model.window, start_us=stored.result.window_start_us,
            sides=past.merged or sides, sums=past.sums, own=None if sides is None else sides.now, before=past.counts,
            units={c.name: c.unit for c in context.schema.columns if c.unit} if context.schema else {},
            budget=str(allowed), column=column, segment=context.segment,
        )  # fmt: skip


def words_of(change: Transition, *, explained: Explained) -> str | None:
    """What is to be said of a transition by its window as judged now; None where what was said stands.

    That is so of an alert that ended because its check was taken away: no window says that.
    """
    explanation, result = explained.explanation, explained.result
    if explanation.status == change.status:
        return explanation.sentence
    if result.computed_us <= change.at_us:
        return None
    return f"Judged again since (revision {result.revision}): {explanation.sentence}"


def _check_name(rows: Sequence[ResultRow], *, asked: str | None, start_us: int) -> str:
    """The asked check, or the worst of the window's checks, the first of equals; ``NotFound`` if there is none."""
    worst_of: dict[str, int] = {}
    for row in rows:
        if row.check:
            rank = -1 if row.status == "unknown" else SEVERITY_ORDER[row.status]
            worst_of[row.check] = max(worst_of.get(row.check, -1), rank)
    if asked is not None and asked not in worst_of:
        raise NotFound(
            f"check {asked[:80]!r} did not judge the window {rfc3339(start_us)}{nearest(asked, tuple(worst_of))}: "
            f"expected one of {', '.join(worst_of) or 'none'}"
        )
    if not worst_of:
        raise NotFound(f"no check judged the window {rfc3339(start_us)}")
    return asked if asked is not None else max(worst_of, key=worst_of.__getitem__)


def _status(rows: Sequence[ResultRow], *, check: Check | None, n: int) -> tuple[Status, str | None]:
    """The check's verdict as its rows say: that of the whole model, else what follows from its columns'."""
    whole = next((row for row in rows if not row.column), None)
    if whole is not None:
        return whole.status, whole.reason
    if check is None:  # it was taken out of the model since
        return worst(row.status for row in rows), None
    findings = [
        Finding(
            column=row.column, metric=row.metric, value=row.value, threshold=row.threshold, status=row.status,
            reason=row.reason, rows=row.rows, needs=row.needs,
        )
        for row in rows
    ]  # fmt: skip
    verdict = verdict_of(check, findings, rows=n)
    return verdict.status, verdict.reason
