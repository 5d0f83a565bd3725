"""What a check would have said, window after window: counts of verdicts, and the alarms they would have raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.alert.rates import Rate, rate
from monitor.alert.transitions import advance
from monitor.model.checks import Check
from monitor.model.results import CheckState, CheckVerdict, ResultRow, Status

MOST_SHOWN = 5  # windows in alarm, at each end


@dataclass(slots=True, kw_only=True)
class Tally:
    """Verdicts of windows in time order, and the alarms in force after them.

    ``statuses`` and ``reasons`` count what single windows were found to be, ``in_alarm`` the windows after which the
    verdict in force was *alert*, ``episodes`` how often it became one; ``first`` and ``last`` are the starts (µs) of
    at most five windows in alarm at each end.
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    in_alarm: int = 0
    in_warning: int = 0
    episodes: int = 0
    warning_episodes: int = 0
    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    _before: Status = "ok"

    def add(self, status: Status, *, reason: str | None, in_force: Status, start_us: int) -> None:
        """Counts one window: what it was found to be, and the verdict in force after it."""
        self.statuses[status] += 1
        if status == "unknown":
            self.reasons[reason or "failed"] += 1
        if in_force == "alert":
            self.in_alarm += 1
            self.episodes += self._before != "alert"
            self.last = [*self.last[-MOST_SHOWN + 1 :], start_us]
            if len(self.first) < MOST_SHOWN:
                self.first.append(start_us)
        if in_force == "warning":
            self.in_warning += 1
        if in_force in ("warning", "alert"):
            self.warning_episodes += self._before not in ("warning", "alert")
        self._before = in_force

    @property
    def windows(self) -> int:
        """How many windows were judged, undecided ones included."""
        return self.statuses.total()

    @property
    def decided(self) -> int:
        """How many windows were decided."""
        return self.windows - self.statuses["unknown"]

    def alarms(self, *, windows_per_month: float) -> Rate | None:
        """Episodes of alert a month of decided windows; None where nothing was decided."""
        return rate(self.episodes, months=self.decided / windows_per_month)

    def warnings(self, *, windows_per_month: float) -> Rate | None:
        """Episodes of at least a warning a month of decided windows; None where nothing was decided."""
        return rate(self.warning_episodes, months=self.decided / windows_per_month)


class CheckTally:
    """The tally of one check, and of each column by itself: of columns no ``hold`` delays anything."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.whole = Tally()
        self.columns: dict[tuple[str, str], Tally] = {}  # by column and the metric that decides
        self._state: CheckState | None = None
        self._of_columns: dict[tuple[str, str], Status] = {}

    def add(self, verdict: CheckVerdict, rows: Iterable[ResultRow], *, start_us: int, end_us: int) -> None:
        """Counts one window's verdict and the check's own rows of it, in the order they were judged."""
        self._state, _ = advance(
            self._state, verdict, now_us=end_us, window_start_us=start_us, window_end_us=end_us, counts=True
        )
        in_force = "unknown" if self._state is None else self._state.status
        self.whole.add(verdict.status, reason=verdict.reason, in_force=in_force, start_us=start_us)
        for row in _deciding(rows):
            key = row.column, row.metric
            if row.status != "unknown":
                self._of_columns[key] = row.status
            if key not in self.columns:
                self.columns[key] = Tally()
            in_force = self._of_columns.get(key, "unknown")
            self.columns[key].add(row.status, reason=row.reason, in_force=in_force, start_us=start_us)


def _deciding(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Of each column the row that decides, which is its first: others are shown beside it."""
    found: dict[str, ResultRow] = {}
    for row in rows:
        if row.column:
            found.setdefault(row.column, row)
    return list(found.values())
