"""Rows of a large table rewritten in runs: short transactions, each of which keeps how far it came.

A migration that does more to its rows than one short statement names that in ``STEPS`` beside ``upgrade``; they are
done after it, and after them its ``finish``, if it has one. Killed between two runs, the next process goes on after
the last one that was committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Connection, column, func, literal, select, table, tuple_
from sqlalchemy import true as always

from monitor.store import jsontext

ROWS_A_RUN = 5_000
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepwise:
    """What is done to every row of ``table``, a run of its ``key`` at a time.

    ``change`` does it to the rows of which its condition holds, and may be told of a run again only if the first one
    was rolled back. It may remove those rows; it must add none behind the run. ``key`` is unique, integers and texts.
    ``only``: the database that needs it, both unless told.
    """

    what: str
    table: str
    key: tuple[str, ...]
    change: Callable[[Connection, ColumnElement[bool]], None]
    rows: int = ROWS_A_RUN
    only: str | None = None

    def count(self, conn: Connection) -> int:
        """How many rows there are."""
        return int(conn.execute(select(func.count()).select_from(table(self.table))).scalar_one())

    def run(self, conn: Connection, *, after: Key | None) -> Key | None:
        """The key of the last row of the run that follows ``after`` and is done now; None: it was the last run."""
        columns: list[ColumnClause[Any]] = [column(name) for name in self.key]  # of no table: of the one they stand in
        key = tuple_(*columns)
        beyond = always() if after is None else key > _literals(after)
        ends = select(*columns).select_from(table(self.table)).where(beyond).order_by(*columns)
        last = conn.execute(ends.limit(1).offset(self.rows - 1)).one_or_none()
        if last is None:
            self.change(conn, beyond)
            return None
        self.change(conn, beyond & (key <= _literals(tuple(last))))
        return tuple(last)


def _literals(key: Key) -> ColumnElement[Any]:
    return tuple_(*(literal(part) for part in key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a migration's steps have come: which one, after which key, how many rows of how many."""

    step: int = 0
    after: Key | None = None
    done: int = 0
    of: int | None = None

    def text(self) -> str:
        """The place as it is stored."""
        return jsontext.dump([self.step, self.after, self.done, self.of])

    @classmethod
    def read(cls, stored: str) -> Place:
        """The place that ``text`` wrote."""
        step, after, done, of = jsontext.load(stored)
        return cls(step=step, after=None if after is None else tuple(after), done=done, of=of)
