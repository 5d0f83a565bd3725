"""The whole of a store, part after part, with what each part is and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, islice

from sqlalchemy import Table

from monitor.evaluate.context import Contexts
from monitor.model.errors import DriftlineError, NotFound, Unavailable
from monitor.store import tables
from monitor.store.engine import Store
from monitor.store.verifying import (
    Key,
    checksum_failures,
    count,
    integrity,
    links,
    live_versions,
    pages_of_keys,
    ready_references,
    rows_by_key,
    within_page,
)
from monitor.store.windows import list_windows
from monitor.verify.fault import RESTORE, Fault, standing
from monitor.verify.payloads import READERS, Beside, Row
from monitor.verify.recount import Recount
from monitor.verify.references import wrong_reference
from monitor.verify.relations import broken_links, wrong_counts

Told = Callable[[str, int, int], None]  # what is looked at, how many of how many are done
Part = Callable[[Store, Told], Iterator[Fault]]
_PAGE = 1_000
_MOST = 1_000  # faults: by then there is one remedy


def verify_store(
    store: Store, *, told: Told = lambda what, done, of: None, recount: bool = True
) -> list[Fault]:  # fmt: skip
    """Every fault of the store, at most 1,000, none where it is whole.

    With ``recount`` each window's rows are counted again and held against its profile and ids, which finds what no
    payload can say of itself. Raises ``Unavailable`` where the database cannot be asked.
    """
    parts: list[Part] = [_database, _links, _counts, _payloads, partial(_references, again=recount)]
    if recount:
        parts.append(_windows)
    return list(islice(chain.from_iterable(part(store, told) for part in parts), _MOST))


def _database(store: Store, told: Told) -> Iterator[Fault]:
    if store.dialect == "postgresql":
        yield from _checksums(store)
        return
    names = [str(table.name) for table in tables.metadata.sorted_tables]
    for done, name in enumerate(names, start=1):
        with suppress(NotFound), store.read() as conn:
            lines = integrity(conn, table=name)
        if lines:
            yield Fault(code="database", where=name, found="; ".join(lines[:3]), remedy=RESTORE)
        told("database file", done, len(names))


def _checksums(store: Store) -> Iterator[Fault]:
    with store.read() as conn:
        kept, failures = checksum_failures(conn)
    if kept and failures:
        yield Fault(code="database", where="checksums", remedy=RESTORE + "; look at the disk of the database",
                    found=f"PostgreSQL has found {failures} pages with a wrong checksum")  # fmt: skip


def _links(store: Store, told: Told) -> Iterator[Fault]:
    every = links()
    for done, link in enumerate(every, start=1):
        yield from broken_links(store, link)
        told("what rows name", done, len(every))


def _counts(store: Store, told: Told) -> Iterator[Fault]:
    with store.read() as conn:
        versions = len(live_versions(conn))
    for done, (_, faults) in enumerate(wrong_counts(store), start=1):
        yield from faults
        told("counts of versions", done, max(done, versions))


def _payloads(store: Store, told: Told) -> Iterator[Fault]:
    for name, column, read in READERS:
        table = tables.metadata.tables[name]
        with store.read() as conn:
            rows = count(conn, table)
        done = 0
        for keys in _keys(store, table, column=column):
            yield from standing(partial(_unreadable, store, table, keys=keys, read=read))
            done += len(keys)
            told(f"payloads of {name}", done, max(done, rows))


def _keys(store: Store, table: Table, *, column: str) -> Iterator[list[Key]]:
    after: Key | None = None
    while True:
        with store.read() as conn:
            page = pages_of_keys(conn, table, column=column, after=after)
        yield from within_page(page)
        if not page:
            return
        after = page[-1][0]


def _unreadable(
    store: Store, table: Table, *, keys: list[Key], read: Callable[[Row, Beside], None]
) -> list[Fault]:  # fmt: skip
    faults = []
    with store.read() as conn:
        beside = Beside(conn=conn)
        for row in rows_by_key(conn, table, keys=keys):
            try:
                read(row, beside)
            except NotFound:  # an orphan, or deleted meanwhile
                continue
            except Unavailable:
                raise
            except Exception as error:  # whatever a damaged payload makes of its reader
                faults.append(_payload_fault(table, row, error))
    return faults


def _payload_fault(table: Table, row: Row, error: Exception) -> Fault:
    key = ", ".join(f"{c.name} {row[c.name]}" for c in table.primary_key.columns)
    said = error.detail if isinstance(error, DriftlineError) else str(error) or type(error).__name__
    return Fault(code="payload", where=f"{table.name} ({key})", found=f"it cannot be right: {said[:300]}",
                 remedy=_REMEDIES.get(str(table.name), RESTORE))  # fmt: skip


def _references(store: Store, told: Told, *, again: bool) -> Iterator[Fault]:
    with store.read() as conn:
        ids = ready_references(conn)
    for done, id in enumerate(ids, start=1):
        yield from wrong_reference(store, reference_id=id, again=again)
        told("references", done, len(ids))


def _windows(store: Store, told: Told) -> Iterator[Fault]:
    with store.read() as conn:
        versions, windows = live_versions(conn), count(conn, tables.window)
    recount = Recount(store, contexts=Contexts())
    done = 0
    for id, model, version in versions:
        for start_us in _starts(store, version_id=id):
            yield from recount.wrong_window(version_id=id, start_us=start_us, name=f"{model} {version}")
            done += 1
            told("rows counted again", done, max(done, windows))


def _starts(store: Store, *, version_id: int) -> Iterator[int]:
    after: int | None = None
    while True:
        with store.read() as conn:
            page = list_windows(conn, version_id=version_id, after=after, limit=_PAGE)
        yield from (window.start_us for window in page)
        if len(page) < _PAGE:
            return
        after = page[-1].start_us


_AGAIN = "run driftline evaluate for its window: it is made again from the stored rows"
_REMEDIES = dict.fromkeys(("profile", "result", "scorecard", "judged_counts"), _AGAIN)
