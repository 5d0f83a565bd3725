"""Which columns are on the page: ``EXPORT_COLUMNS`` a version, ``MAX_SERIES`` in all, a day's memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.export.columns import Column, rank
from monitor.export.facts import VersionFacts
from monitor.model.errors import ConfigurationError
from monitor.model.time import DAY_US

Key = tuple[int, str, str]  # (version id, segment, column)


def parse_columns(text: str) -> int | None:
    """How many columns a version may show: ``top:N`` names a number, ``failing`` is 0, ``all`` is None.

    >>> parse_columns("top:5"), parse_columns("failing"), parse_columns("all")
    (5, 0, None)
    """
    if text in ("all", "failing"):
        return None if text == "all" else 0
    match = re.fullmatch(r"top:([1-9][0-9]{0,5})", text)
    if match is None:
        raise ConfigurationError(
            f"DRIFTLINE_EXPORT_COLUMNS is {text[:40]!r}: expected all, failing or top:N, such as top:20"
        )
    return int(match[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A column that is on the page."""

    facts: VersionFacts
    column: Column

    @property
    def key(self) -> Key:
        """What the memory knows it by."""
        return self.facts.version.id, self.column.segment, self.column.column


class Choice:
    """Chooses columns refresh after refresh; remembers for a day what it once chose on merit."""

    def __init__(self, *, limit: int | None, max_series: int) -> None:
        self._limit = limit
        self._max_series = max_series
        self._merited_us: dict[Key, int] = {}

    def choose(self, fleet: Sequence[VersionFacts], *, taken: int, now_us: int) -> tuple[list[Chosen], int]:
        """The columns that fit beside ``taken`` series, and how many series of others were left out.

        ``fleet`` is in order of names. Kept in this order: columns in alert or warning, columns exported within the
        last day, the rest by importance, then name. Staying by memory does not renew the memory. Costs what is
        chosen, not what there is.
        """
        self._merited_us = {key: at_us for key, at_us in self._merited_us.items() if now_us - at_us < DAY_US}
        room = self._max_series - taken
        chosen: dict[Key, Chosen] = {}
        for one in self._in_order(fleet):
            if one.key in chosen:
                continue
            room -= len(one.column.shape)
            if room < 0:
                break
            chosen[one.key] = one
        shown = sum(len(one.column.shape) for one in chosen.values())
        wanted = self._wanted(fleet)
        for key, one in chosen.items():
            if self._merits(one):
                self._merited_us[key] = now_us
        return list(chosen.values()), wanted - shown

    def _in_order(self, fleet: Sequence[VersionFacts]) -> Iterator[Chosen]:
        """Candidates, best first; a remembered one may come again as one of the rest."""
        yield from self._merited(fleet, failing=True)
        yield from self._remembered(fleet)
        yield from self._merited(fleet, failing=False)

    def _merited(self, fleet: Sequence[VersionFacts], *, failing: bool) -> Iterator[Chosen]:
        """What ``EXPORT_COLUMNS`` asks for, run by run of equal rank, in order of names within one."""
        runs: dict[tuple[int, float], list[tuple[VersionFacts, int, int]]] = {}
        for facts in fleet:
            count = self._count(facts)
            for run in facts.columns.runs:
                if bool(run.failing) is failing and run.start < count:
                    place = (facts, run.start, min(run.stop, count))
                    runs.setdefault((-run.failing, -run.importance), []).append(place)
        for rank_of_run in sorted(runs):
            for facts, start, stop in runs[rank_of_run]:
                for column in facts.columns.ranked[start:stop]:
                    yield Chosen(facts=facts, column=column)

    def _remembered(self, fleet: Sequence[VersionFacts]) -> Iterator[Chosen]:
        """What was on the page within the day and still exists, by rank."""
        by_id = {facts.version.id: facts for facts in fleet}
        found: list[Chosen] = []
        for version_id, segment, name in self._merited_us:
            facts = by_id.get(version_id)
            column = facts.columns.by_name.get((segment, name)) if facts is not None else None
            if facts is not None and column is not None:
                found.append(Chosen(facts=facts, column=column))
        yield from sorted(
            found,
            key=lambda one: (-one.column.importance, one.facts.model.name, one.facts.version.name,
                             one.column.segment, one.column.column),
        )  # fmt: skip

    def _count(self, facts: VersionFacts) -> int:
        """How many of the version's ranked columns ``EXPORT_COLUMNS`` asks for."""
        if self._limit is None:
            return len(facts.columns.ranked)
        return self._limit or sum(run.stop - run.start for run in facts.columns.runs if run.failing)

    def _merits(self, one: Chosen) -> bool:
        """Whether ``EXPORT_COLUMNS`` asks for it, memory apart."""
        count = self._count(one.facts)
        ranked = one.facts.columns.ranked
        if count >= len(ranked):
            return True
        last = ranked[count - 1] if count else None
        return last is not None and rank(one.column) <= rank(last)

    def _wanted(self, fleet: Sequence[VersionFacts]) -> int:
        """The series there would be without ``MAX_SERIES``."""
        wanted = 0
        for facts in fleet:
            asked = facts.columns.ranked[: self._count(facts)]
            every = len(asked) == len(facts.columns.ranked)
            wanted += facts.columns.series if every else sum(len(column.shape) for column in asked)
        remembered = (one for one in self._remembered(fleet) if not self._merits(one))
        return wanted + sum(len(one.column.shape) for one in remembered)
