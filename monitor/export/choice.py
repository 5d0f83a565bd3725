"""Which columns are on the page: ``EXPORT_COLUMNS`` a version, ``MAX_SERIES`` in all, a day's memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.export.facts import Column, VersionFacts
from monitor.model.errors import ConfigurationError
from monitor.model.time import DAY_US

Key = tuple[int, str, str]  # (version id, segment, column)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """``EXPORT_COLUMNS`` parsed: ``limit`` columns a version (None: all of them; 0: only those failing)."""

    limit: int | None = 20


def parse_columns(text: str) -> ColumnChoice:
    """The choice that ``all``, ``failing`` or ``top:N`` names.

    >>> parse_columns("top:5").limit, parse_columns("failing").limit, parse_columns("all").limit
    (5, 0, None)
    """
    if text == "all":
        return ColumnChoice(limit=None)
    if text == "failing":
        return ColumnChoice(limit=0)
    match = re.fullmatch(r"top:([1-9][0-9]{0,5})", text)
    if match is None:
        raise ConfigurationError(
            f"DRIFTLINE_EXPORT_COLUMNS is {text[:40]!r}: expected all, failing or top:N, such as top:20"
        )
    return ColumnChoice(limit=int(match[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A column that could be on the page, and what decides whether it is."""

    facts: VersionFacts
    column: Column
    importance: float

    @property
    def key(self) -> Key:
        """What the memory knows it by."""
        return self.facts.version.id, self.column.segment, self.column.column

    @property
    def rank(self) -> tuple[int, float, str, str, str, str]:
        """Sorts alert before warning before the rest, then by importance, then by name."""
        column = self.column
        return (-column.failing, -self.importance, self.facts.model.name, self.facts.version.name,
                column.segment, column.column)  # fmt: skip


def candidates(facts: VersionFacts) -> list[Candidate]:
    """A version's columns, best rank first."""
    found = [
        Candidate(facts=facts, column=column, importance=facts.importance.get(column.column, 0.0))
        for column in facts.columns
        if column.column
    ]
    return sorted(found, key=lambda candidate: candidate.rank)


class Choice:
    """Chooses columns refresh after refresh; remembers for a day what it once chose on merit."""

    def __init__(self, *, columns: ColumnChoice, max_series: int) -> None:
        self._columns = columns
        self._max_series = max_series
        self._merited_us: dict[Key, int] = {}

    def choose(self, fleet: Iterable[VersionFacts], *, taken: int, now_us: int) -> tuple[list[Candidate], int]:
        """The columns that fit beside ``taken`` series, and how many series of others were left out.

        Kept in this order: columns in alert or warning, columns exported within the last day, the rest by
        importance, then name. Staying by memory does not renew the memory.
        """
        self._forget(now_us=now_us)
        merited, remembered = self._split(fleet)
        merited.sort(key=lambda candidate: candidate.rank)
        failing = [c for c in merited if c.column.failing]
        rest = [c for c in merited if not c.column.failing]
        stayed = [c for c in rest if c.key in self._merited_us]
        fresh = [c for c in rest if c.key not in self._merited_us]
        chosen, dropped = self._fit([*failing, *stayed, *remembered, *fresh], room=self._max_series - taken)
        by_memory = {candidate.key for candidate in remembered}
        for candidate in chosen:
            if candidate.key not in by_memory:
                self._merited_us[candidate.key] = now_us
        return chosen, dropped

    def _split(self, fleet: Iterable[VersionFacts]) -> tuple[list[Candidate], list[Candidate]]:
        """Columns that ``EXPORT_COLUMNS`` asks for, and others that were on the page within the day."""
        merited: list[Candidate] = []
        remembered: list[Candidate] = []
        for facts in fleet:
            ranked = candidates(facts)
            limit = self._columns.limit
            count = len(ranked) if limit is None else limit or sum(c.column.failing > 0 for c in ranked)
            merited += ranked[:count]
            remembered += [c for c in ranked[count:] if c.key in self._merited_us]
        return merited, sorted(remembered, key=lambda candidate: candidate.rank)

    def _fit(self, ordered: Sequence[Candidate], *, room: int) -> tuple[list[Candidate], int]:
        """The longest beginning that fits into ``room`` series, and the series of the rest."""
        for position, candidate in enumerate(ordered):
            room -= candidate.column.series
            if room < 0:
                return list(ordered[:position]), sum(c.column.series for c in ordered[position:])
        return list(ordered), 0

    def _forget(self, *, now_us: int) -> None:
        self._merited_us = {key: at_us for key, at_us in self._merited_us.items() if now_us - at_us < DAY_US}
