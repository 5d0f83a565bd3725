"""What was said of alerts: one word of each kind for each; a withdrawn one keeps its row, with who took it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from monitor.model.errors import Conflict
from monitor.model.handling import Was, Word, WordKind
from monitor.model.time import rfc3339
from monitor.store import dialect, tables
from monitor.store.transitions import FAILING, StoredTransition

_h = tables.handling.c
_t = tables.transition.c


def say(conn: Connection, word: Word, *, of: StoredTransition) -> None:
    """Keeps the word in place of an earlier one of its kind of the same alert: the last committed stands."""
    conn.execute(dialect.upsert(conn, tables.handling), _values(word, of=of))


def claim(conn: Connection, word: Word, *, of: StoredTransition) -> None:
    """Keeps the word unless another's of its kind holds: then ``Conflict`` names whose, since when and why.

    One statement decides, so that of two at once one has it. Whoever has it may say it again, otherwise.
    """
    put = dialect.insert(conn, tables.handling).values(_values(word, of=of))
    put = put.on_conflict_do_update(
        index_elements=["transition_id", "kind"],
        set_={name: put.excluded[name] for name in _values(word, of=of) if name not in ("transition_id", "kind")},
        where=or_(_h.by_name == word.by, _h.withdrawn_us.is_not(None), _h.until_us <= word.at_us),
    )
    if conn.execute(put.returning(_h.transition_id)).first() is None:
        held = conn.execute(select(tables.handling).where(_h.transition_id == of.id, _h.kind == word.kind)).one()
        until = "" if held.until_us is None else f" until {rfc3339(held.until_us)}"
        because = f", because {held.reason!r}" if held.reason else ""
        raise Conflict(
            f"al_{of.id} is {held.by_name or 'somebody'}'s since {rfc3339(held.at_us)}{until}{because}: "
            f"expected nobody's; take theirs back with DELETE /api/v1/alerts/al_{of.id}/{word.kind} first"
        )


def withdraw(conn: Connection, *, transition_id: int, kind: WordKind, by: str, at_us: int) -> bool:
    """Takes back the word of that kind; whether there was one."""
    here = (_h.transition_id == transition_id, _h.kind == kind, _h.withdrawn_us.is_(None))
    return conn.execute(update(tables.handling).where(*here).values(withdrawn_us=at_us, by_name=by)).rowcount > 0


def words_of(conn: Connection, *, transition_ids: Sequence[int]) -> dict[int, dict[WordKind, Word]]:
    """Transition → what was said of it and not taken back, by kind; those without a word are left out."""
    found: dict[int, dict[WordKind, Word]] = {}
    for some in dialect.slices(transition_ids):
        query = select(tables.handling).where(_h.transition_id.in_(some), _h.withdrawn_us.is_(None))
        for row in conn.execute(query):
            found.setdefault(row.transition_id, {})[row.kind] = _word(row)
    return found


def windows_of(conn: Connection, of: StoredTransition) -> tuple[int, int]:
    """The windows ``[from, to)`` that the alert was in force for: to its next change, or to the newest judged one."""
    begin, same = of.transition, _same(of)
    after = select(_t.window_start_us).where(*same, _t.id > of.id).order_by(_t.id).limit(1)
    end_us = conn.execute(after).scalar()
    if end_us is None:
        v = tables.verdict.c
        here = (v.version_id == of.version_id, v.check_name == begin.check, v.segment == begin.segment)
        end_us = conn.execute(select(v.window_end_us).where(*here)).scalar()
    return begin.window_start_us, max(begin.window_end_us, end_us or 0)


def failing_before(conn: Connection, of: StoredTransition) -> int | None:
    """The id of the last failing alert of the same check and segment before this one."""
    before = select(func.max(_t.id)).where(*_same(of), _t.id < of.id, _t.status.in_(FAILING))
    return conn.execute(before).scalar()


def verdict_counts(conn: Connection, *, version_id: int) -> Mapping[Was, int]:
    """How many of the version's alerts were judged to be what."""
    here = (_h.version_id == version_id, _h.kind == "verdict", _h.withdrawn_us.is_(None))
    return {
        row.was: row.n for row in conn.execute(select(_h.was, func.count().label("n")).where(*here).group_by(_h.was))
    }


def _same(of: StoredTransition) -> tuple[Any, ...]:
    """The transitions of the same version, check and segment."""
    change = of.transition
    return _t.version_id == of.version_id, _t.check_name == change.check, _t.segment == change.segment


def _values(word: Word, *, of: StoredTransition) -> dict[str, Any]:
    return {
        "transition_id": of.id, "kind": word.kind, "version_id": of.version_id, "reason": word.reason,
        "by_name": word.by, "at_us": word.at_us, "until_us": word.until_us, "was": word.was,
        "from_us": word.from_us, "to_us": word.to_us, "withdrawn_us": None,
    }  # fmt: skip


def _word(row: Row[Any]) -> Word:
    return Word(
        kind=row.kind, reason=row.reason, by=row.by_name, at_us=row.at_us, until_us=row.until_us, was=row.was,
        from_us=row.from_us, to_us=row.to_us,
    )  # fmt: skip
