"""The cached part of ``/metrics``: the whole fleet's series as bytes, chosen under ``MAX_SERIES``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from monitor.export.choice import Choice
from monitor.export.columns import Column
from monitor.export.facts import VersionFacts
from monitor.export.families import FAMILIES
from monitor.export.series import (
    Line,
    column_series,
    count_series,
    drill_series,
    failing_series,
    label_series,
    model_series,
    silenced_series,
    unknown_line,
    version_labels,
)
from monitor.model.time import DAY_US


def render(lines: Iterable[Line]) -> bytes:
    """The lines by family, each family once with its help and type, each series once (the first wins).

    The same bytes are valid in the Prometheus text format and, before its ``# EOF``, in OpenMetrics.

    >>> print(render([("driftline_windows_missed", "driftline_windows_missed 0")]).decode(), end="")
    # HELP driftline_windows_missed Windows that could not be computed
    # TYPE driftline_windows_missed gauge
    driftline_windows_missed 0
    """
    families: dict[str, dict[str, str]] = {family: {} for family in FAMILIES}
    for family, text in lines:
        families[family].setdefault(text.rpartition(" ")[0], text)
    parts: list[str] = []
    for family, series in families.items():
        if series:
            parts += (f"# HELP {family} {FAMILIES[family]}", f"# TYPE {family} gauge", *series.values())
    return "".join(f"{part}\n" for part in parts).encode()


@dataclass(slots=True)
class Composer:
    """Makes the model lines of one refresh after another; remembers what must not come and go."""

    choice: Choice
    max_series: int
    _unknown_us: dict[tuple[int, str, str, str], int] = field(default_factory=dict)
    _written: dict[tuple[int, str, str], tuple[Column, list[Line]]] = field(default_factory=dict)

    def compose(self, fleet: Sequence[VersionFacts], *, now_us: int) -> tuple[list[Line], int]:
        """Every model line of the page, and how many series ``MAX_SERIES`` left out.

        Kept in this order: failing checks and what holds them back (never left out), model series, checks, then
        columns by ``Choice``.
        """
        ordered = sorted(fleet, key=lambda facts: (facts.model.name, facts.version.name))
        running = [facts for facts in ordered if facts.version.state != "retired"]
        lines = [text for facts in running for text in failing_series(facts)]
        lines += [text for facts in running for text in silenced_series(facts, now_us=now_us)]
        lines += [text for facts in running for text in drill_series(facts, now_us=now_us)]
        wanted = [text for facts in ordered for text in model_series(facts, now_us=now_us)]
        one_a_model = {facts.model.id: facts for facts in ordered}
        wanted += [text for facts in one_a_model.values() for text in label_series(facts)]
        wanted += [text for facts in running for text in count_series(facts)]
        wanted += self._unknown(running, now_us=now_us)
        room = max(0, self.max_series - len(lines))
        dropped = max(0, len(wanted) - room)
        lines += wanted[:room]
        fresh = [facts for facts in running if not facts.stale(now_us=now_us)]
        chosen, columns_dropped = self.choice.choose(fresh, taken=len(lines), now_us=now_us)
        written: dict[tuple[int, str, str], tuple[Column, list[Line]]] = {}
        for one in chosen:
            known = self._written.get(one.key)
            if known is None or known[0] is not one.column:
                known = one.column, column_series(one.column, known=version_labels(one.facts))
            written[one.key] = known
            lines += known[1]
        self._written = written
        return lines, dropped + columns_dropped

    def _unknown(self, running: Sequence[VersionFacts], *, now_us: int) -> list[Line]:
        """1 for the reason a check is undecided now; 0 for a day for one that has passed."""
        kept: dict[tuple[int, str, str, str], int] = {}
        lines: list[Line] = []
        for facts in running:
            for state in facts.states:
                if state.unknown_reason is not None:
                    self._unknown_us[facts.version.id, state.segment, state.check, state.unknown_reason] = now_us
        by_check: dict[tuple[int, str, str], list[str]] = {}
        for (version_id, segment, check, reason), seen_us in self._unknown_us.items():
            if now_us - seen_us < DAY_US:
                kept[version_id, segment, check, reason] = seen_us
                by_check.setdefault((version_id, segment, check), []).append(reason)
        for facts in running:
            for state in facts.states:
                reasons = by_check.get((facts.version.id, state.segment, state.check), ())
                lines += [unknown_line(facts, state, reason=reason) for reason in reasons]
        self._unknown_us = kept
        return lines
