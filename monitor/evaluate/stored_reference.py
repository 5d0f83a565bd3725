"""A reference from rows that are stored already: production traffic held healthy."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from monitor.columns.roles import Roles
from monitor.evaluate.activation import Draft, Published, activate, discarding, publish
from monitor.evaluate.context import Contexts
from monitor.evaluate.fold import Folder
from monitor.evaluate.inference import infer_if_due
from monitor.evaluate.label_column import with_label
from monitor.evaluate.labelled_rows import LabelledRows
from monitor.evaluate.reference import (
    Known,
    Origin,
    begin,
    earlier_reference,
    read_known,
    sides_of_rows,
    worth_of_rows,
)
from monitor.evaluate.reference_profile import layout_of, profile_reference
from monitor.evaluate.reference_rows import ReferenceRows
from monitor.evaluate.reference_warnings import reference_warnings
from monitor.evaluate.reprofile import first_of_window
from monitor.evaluate.slices import RECEIVED, between
from monitor.model.errors import Conflict, FenceLost, InvalidInput
from monitor.model.schema import Schema
from monitor.model.segments import MAX_SEGMENTS
from monitor.model.time import rfc3339
from monitor.store.engine import Store
from monitor.store.outcomes import labelled_versions
from monitor.store.references import discard_reference
from monitor.store.windows import WindowRow, list_windows

_TRIES = 10
_PAGE = 1_000


def set_stored_reference(
    store: Store, *, version_id: int, from_us: int, to_us: int, now_us: int, max_segments: int = MAX_SEGMENTS
) -> Published:
    """The reference made of the stored rows with timestamps in ``[from, to)``, repeats of an id dropped; active."""
    _fold_waiting(store, version_id=version_id, now_us=now_us)
    known = read_known(store, version_id=version_id, max_segments=max_segments)
    schema = known.schema
    if schema is None:
        raise InvalidInput("no schema yet: log at least 1,000 records, or set a reference from a file", code="empty")
    with store.read() as conn:
        labelled = bool(labelled_versions(conn, version_ids=[version_id]))
    if labelled:
        schema = with_label(schema, model=known.model)
    origin = Origin(source=f"stored:{rfc3339(from_us)}/{rfc3339(to_us)}")
    reference = begin(store, version_id=version_id, roles=Roles(), origin=origin, now_us=now_us)
    with discarding(store, reference=reference):
        rows = ReferenceRows(store, reference_id=reference.id)
        for batch in _rows(store, known=known, schema=schema, from_us=from_us, to_us=to_us):
            rows.add(batch)
        if rows.rows == 0:
            raise InvalidInput(f"no stored row from {rfc3339(from_us)} to {rfc3339(to_us)}", code="empty")
        earlier = earlier_reference(store, version_id=version_id, digest=rows.digest, roles=Roles())
        if earlier is None:
            draft = _draft(rows, known=known, schema=schema)
            return publish(
                store, model=known.model, version=known.version, reference=reference, draft=draft,
                digest=rows.digest, now_us=now_us,
            )  # fmt: skip
    with store.write() as conn:
        discard_reference(conn, reference_id=reference.id)
    return activate(
        store, version_id=version_id, number=earlier.number, now_us=now_us, max_segments=max_segments
    )  # fmt: skip


def _fold_waiting(store: Store, *, version_id: int, now_us: int) -> None:
    """Folds what waits: only then is it known which rows repeat an id."""
    folder = Folder(store, contexts=Contexts())
    for _ in range(_TRIES):
        try:
            while True:
                folded = folder.fold_slice(version_id=version_id, now_us=now_us)
                if folded is None or not folded.more:
                    known = read_known(store, version_id=version_id)
                    infer_if_due(store, model=known.model, version=known.version, schema=known.schema, now_us=now_us)
                    return
        except FenceLost:  # a job folds as well
            continue
    raise Conflict("the version's rows are being folded: try again", retry_after_seconds=5)


def _rows(store: Store, *, known: Known, schema: Schema, from_us: int, to_us: int) -> Iterator[pa.RecordBatch]:
    """The rows window by window, conformed to the schema, the first of each id, each with its label in force."""
    labelled = LabelledRows(store, version_id=known.version.id, schema=schema)
    after: int | None = None
    while True:
        with store.read() as conn:
            page = list_windows(
                conn, version_id=known.version.id, from_us=known.model.window.start_of(from_us), to_us=to_us,
                after=after, limit=_PAGE,
            )  # fmt: skip
        for window in page:
            _refuse_sealed(window)
            for batch in first_of_window(store, window=window, schema=schema):
                inside = between(batch, start_us=from_us, end_us=to_us)
                if inside.num_rows:
                    yield labelled(inside.drop_columns([RECEIVED]), start_us=window.start_us)
        if len(page) < _PAGE:
            return
        after = page[-1].start_us


def _refuse_sealed(window: WindowRow) -> None:
    if window.is_sealed:
        raise InvalidInput(
            f"the window from {rfc3339(window.start_us)} is sealed: its rows have had their time "
            "(DRIFTLINE_RETENTION_ROWS, or the model's own); name a span of windows that GET …/windows shows as closed "
            "or revised",
            code="sealed",
        )


def _draft(rows: ReferenceRows, *, known: Known, schema: Schema) -> Draft:
    layout = layout_of(lambda: rows, schema=schema, shared=known.shared_layout)
    made = profile_reference(lambda: rows, schema=schema, layout=layout, spec=known.model.window, timed=True)
    worth = worth_of_rows(rows, known=known, schema=schema, positive=None, timed=True)
    warnings = reference_warnings(
        schema=schema, layout=layout, profile=made.profile, timed=True, unusable=0, unknown=(), worth=worth.problem
    )
    sides = sides_of_rows(rows, known=known, schema=schema, made=made, timed=True)
    return Draft(schema=schema, made=made, rows=rows.rows, sides=sides, warnings=warnings, worth=worth.side)
