"""What ``driftline verify`` asks of the database: rows without what they refer to, sums, payloads by their keys.

Every question is one short read, so its answer is of one moment; whoever asks decides what it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal, or_, select, text, tuple_

from monitor.store import dialect, tables
from monitor.store.erased import erased_of_version
from monitor.store.sealing import dropped_of_version

PAGE_BYTES = 4 * 2**20
_KEYS = 500
_b, _w, _v, _i = tables.log_batch.c, tables.window.c, tables.version.c, tables.id_run.c

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Rows of ``child`` whose ``columns`` name a row of ``parent`` by its ``named``; a null names none."""

    child: str
    columns: tuple[str, ...]
    parent: str
    named: tuple[str, ...]


_WINDOW = ("version_id", "start_us")
_OF_WINDOW = ("version_id", "window_start_us")
# What the code relies on and the database does not enforce.
_UNDECLARED = (
    ("version", "schema_id", "schema"), ("version", "layout_id", "layout"), ("version", "reference_id", "reference"),
    ("reference", "schema_id", "schema"), ("reference", "layout_id", "layout"), ("log_batch", "schema_id", "schema"),
    ("profile", "layout_id", "layout"), ("calibration", "reference_id", "reference"),
    ("baseline_calibration", "reference_id", "reference"), ("performance", "reference_id", "reference"),
    ("judged_counts", "layout_id", "layout"),
    ("reference_segment", "layout_id", "layout"), ("judged_counts", "reference_id", "reference"),
    ("outcome", "schema_id", "schema"), ("merged_profile", "layout_id", "layout"),
    ("window", "merged_layout_id", "layout"),
)  # fmt: skip
_BY_WINDOW = ("profile", "id_run", "outcome", "result", "judged_counts", "scorecard", "window_label")


def links() -> list[Link]:
    """Every reference from one table to another that holds in a sound store: the declared ones, and the others."""
    found = [
        Link(child=table.name, columns=(column.name,), parent=key.column.table.name, named=(key.column.name,))
        for table in tables.metadata.sorted_tables
        for column in table.c
        for key in column.foreign_keys
    ]
    found += [
        Link(child=child, columns=(column,), parent=parent, named=("id",)) for child, column, parent in _UNDECLARED
    ]
    found += [Link(child=child, columns=_OF_WINDOW, parent="window", named=_WINDOW) for child in _BY_WINDOW]
    numbered = ("version_id", "reference_number")
    found += [Link(child=c, columns=numbered, parent="reference", named=("version_id", "number"))
              for c in ("window", "result")]  # fmt: skip
    # and back: rows that are kept in two tables
    found += [
        Link(child="log_batch", columns=("id",), parent="log_payload", named=("batch_id",)),
        Link(child="label_segment", columns=("id",), parent="label_payload", named=("segment_id",)),
    ]
    return found


def orphans(conn: Connection, link: Link) -> tuple[int, Key | None]:
    """(how many rows name something that is not there, the key of one of them); of deleted versions none is asked."""
    child = tables.metadata.tables[link.child]
    parent = tables.metadata.tables[link.parent].alias("parent")
    pairs = [(child.c[a], parent.c[b]) for a, b in zip(link.columns, link.named, strict=True)]
    missing = and_(*[a.is_not(None) for a, _ in pairs], parent.c[link.named[0]].is_(None))
    if (link.child, link.parent) == ("result", "window"):
        missing = and_(missing, child.c.rows > 0)  # an hour without traffic is judged, and no window is kept of it
    key = list(child.primary_key.columns)
    joined = child.outerjoin(parent, and_(*[a == b for a, b in pairs]))
    if "version_id" in child.c and child.name != "request_key":
        joined = joined.outerjoin(tables.version, _v.id == child.c.version_id)
        missing = and_(missing, _v.deleted_us.is_(None))
    count = conn.execute(select(func.count()).select_from(joined).where(missing)).scalar_one()
    if not count:
        return 0, None
    return int(count), tuple(conn.execute(select(*key).select_from(joined).where(missing).limit(1)).one())


def live_versions(conn: Connection) -> list[tuple[int, str, str]]:
    """(id, model, version) of every live version, by id."""
    m = tables.model.c
    query = select(_v.id, m.name, _v.name).join_from(tables.version, tables.model, m.id == _v.model_id)
    return [tuple(row) for row in conn.execute(query.where(_v.deleted_us.is_(None)).order_by(_v.id))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The rows of a version as its batches and as its windows count them; folds that cannot be."""

    folded: int
    unfolded: int
    profiled: int
    deduplicated: int
    fold_seq: int
    highest_fold: int
    lowest_fold: int
    unplaced: int
    twice: int
    erased: int
    dropped: int


def sums(conn: Connection, *, version_id: int) -> Sums | None:
    """What one moment shows of a version; None when it is deleted."""
    seq = conn.execute(select(_v.fold_seq).where(_v.id == version_id, _v.deleted_us.is_(None))).scalar()
    if seq is None:
        return None
    folded, waiting = _b.fold.is_not(None), _b.fold.is_(None)
    of_batches = select(
        func.coalesce(func.sum(_b.rows).filter(folded), 0), func.coalesce(func.sum(_b.rows).filter(waiting), 0),
        func.coalesce(func.max(_b.fold), 0), func.coalesce(func.min(_b.fold), 1),
        func.count().filter(or_(and_(folded, _b.position.is_(None)), and_(waiting, _b.position.is_not(None)))),
    ).where(_b.version_id == version_id)  # fmt: skip
    rows, unfolded, highest, lowest, unplaced = conn.execute(of_batches).one()
    of_windows = select(func.coalesce(func.sum(_w.rows), 0), func.coalesce(func.sum(_w.deduplicated), 0))
    profiled, repeats = conn.execute(of_windows.where(_w.version_id == version_id)).one()
    places = select(_b.fold).where(_b.version_id == version_id, folded).group_by(_b.fold, _b.position)
    twice = select(func.count()).select_from(places.having(func.count() > 1).subquery())
    return Sums(
        folded=int(rows), unfolded=int(unfolded), profiled=int(profiled), deduplicated=int(repeats), fold_seq=int(seq),
        highest_fold=int(highest), lowest_fold=int(lowest), unplaced=int(unplaced),
        twice=int(conn.execute(twice).scalar_one()), erased=erased_of_version(conn, version_id=version_id),
        dropped=dropped_of_version(conn, version_id=version_id),
    )  # fmt: skip


def windows_page(conn: Connection, *, version_id: int, after_us: int, limit: int) -> list[dict[str, Any]]:
    """Windows by start behind ``after_us``, each with ``keys`` (of its id runs), its ``profile_layout`` and of its
    result ``result_rows`` and ``result_revision``, as one moment shows them."""
    p, r = tables.profile.c, tables.result.c
    own = (_i.version_id == _w.version_id, _i.window_start_us == _w.start_us)
    keys = select(func.coalesce(func.sum(_i["keys"]), 0)).where(*own).correlate(tables.window).scalar_subquery()
    highest = select(func.max(_i.fold)).where(*own).correlate(tables.window).scalar_subquery()
    joined = tables.window.outerjoin(
        tables.profile, and_(p.version_id == _w.version_id, p.window_start_us == _w.start_us, p.segment == "")
    ).outerjoin(
        tables.result, and_(r.version_id == _w.version_id, r.window_start_us == _w.start_us, r.segment == "")
    )  # fmt: skip
    query = select(
        tables.window, keys.label("keys"), highest.label("run_fold"), p.layout_id.label("profile_layout"),
        r.rows.label("result_rows"), r.revision.label("result_revision"), r.window_end_us.label("result_end_us"),
    ).select_from(joined)  # fmt: skip
    query = query.where(_w.version_id == version_id, _w.start_us > after_us).order_by(_w.start_us).limit(limit)
    return [dict(row._mapping) for row in conn.execute(query)]


def pages_of_keys(conn: Connection, table: Table, *, column: str, after: Key | None) -> list[tuple[Key, int]]:
    """(primary key, bytes of that column) of the next rows by primary key behind ``after``."""
    key = list(table.primary_key.columns)
    query = select(*key, func.coalesce(func.length(table.c[column]), 0)).order_by(*key).limit(_KEYS)
    if after is not None:
        query = query.where(key[0] > after[0] if len(key) == 1 else tuple_(*key) > tuple_(*_typed(key, after)))
    return [(tuple(row[:-1]), int(row[-1])) for row in conn.execute(query)]


def within_page(found: Sequence[tuple[Key, int]]) -> Iterator[list[Key]]:
    """The keys in groups whose bytes together are about one short read."""
    group: list[Key] = []
    size = 0
    for key, length in found:
        if group and size + length > PAGE_BYTES:
            yield group
            group, size = [], 0
        group.append(key)
        size += length
    if group:
        yield group


def rows_by_key(conn: Connection, table: Table, *, keys: Sequence[Key]) -> list[dict[str, Any]]:
    """The whole rows of those keys that are still there."""
    key = list(table.primary_key.columns)
    found = []
    for some in dialect.slices(keys, size=200):
        if len(key) == 1:
            here: ColumnElement[bool] = key[0].in_([one[0] for one in some])
        else:
            here = or_(*[and_(*[c == value for c, value in zip(key, one, strict=True)]) for one in some])
        found += [dict(row._mapping) for row in conn.execute(select(table).where(here))]
    return found


def performance_payloads(conn: Connection, *, version_id: int) -> list[bytes]:
    """What references of the version say of its performance, encoded."""
    p = tables.performance.c
    return [bytes(found) for found in conn.execute(select(p.payload).where(p.version_id == version_id)).scalars()]


def chunk_numbers(conn: Connection, *, reference_id: int) -> list[int]:
    """The numbers of the pieces of a reference, ascending."""
    c = tables.reference_chunk.c
    return list(conn.execute(select(c.seq).where(c.reference_id == reference_id).order_by(c.seq)).scalars())


def ready_references(conn: Connection) -> list[int]:
    """The ids of every ready reference of a live version."""
    r = tables.reference.c
    query = select(r.id).join_from(tables.reference, tables.version, _v.id == r.version_id)
    return list(conn.execute(query.where(r.ready.is_(True), _v.deleted_us.is_(None)).order_by(r.id)).scalars())


def references_with_digest(conn: Connection, *, digest: str) -> int:
    """How many references say they are of those bytes."""
    r = tables.reference.c
    return int(conn.execute(select(func.count()).where(r.digest == digest)).scalar_one())


def count(conn: Connection, table: Table) -> int:
    """How many rows the table has."""
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def integrity(conn: Connection, *, table: str | None = None) -> list[str]:
    """What SQLite's own check finds wrong with the file (or a table and its indexes), at most 20 lines."""
    named = "20" if table is None else f'"{table}"'
    found = conn.execute(text(f"PRAGMA integrity_check({named})")).scalars().all()
    return [] if found == ["ok"] else [str(line) for line in found[:20]]


def checksum_failures(conn: Connection) -> tuple[bool, int]:
    """(whether PostgreSQL keeps checksums of its pages, how many it has found wrong in this database)."""
    kept = conn.execute(text("SHOW data_checksums")).scalar() == "on"
    query = "SELECT coalesce(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()"
    return kept, int(conn.execute(text(query)).scalar() or 0)


def _typed(key: Sequence[Any], after: Key) -> list[Any]:
    return [literal(value, column.type) for column, value in zip(key, after, strict=True)]
