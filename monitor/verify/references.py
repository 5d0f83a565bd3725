"""Whether a reference's rows are all there, make its digest, and are what its profile counts."""

from __future__ import annotations

import hashlib

from monitor.columns.batch import decode_batch
from monitor.columns.conform import conform
from monitor.evaluate.context import fitted
from monitor.model.entities import Reference
from monitor.model.errors import NotFound
from monitor.model.schema import Schema
from monitor.profile import codec
from monitor.profile.dlp import DLP_MEDIA_TYPE
from monitor.profile.layout import Layout
from monitor.profile.profile import ProfileAccumulator
from monitor.store.engine import Store
from monitor.store.layouts import get_layout
from monitor.store.references import chunks, get_reference_by_id, reference_profile
from monitor.store.schemas import get_schema
from monitor.store.verifying import chunk_numbers, references_with_digest
from monitor.verify.alike import difference
from monitor.verify.fault import Fault, standing

_REMEDY = "set the reference again from its file (PUT …/reference), or restore a backup"


def wrong_reference(store: Store, *, reference_id: int, again: bool) -> list[Fault]:
    """The faults of one ready reference; with ``again`` its rows are counted again and held against its profile."""

    def look() -> list[Fault]:
        try:
            return _look(store, reference_id=reference_id, again=again)
        except NotFound:  # its version was deleted meanwhile
            return []

    return standing(look)


def _look(store: Store, *, reference_id: int, again: bool) -> list[Fault]:
    with store.read() as conn:
        reference = get_reference_by_id(conn, id=reference_id)
        numbers = chunk_numbers(conn, reference_id=reference_id)
        alone = references_with_digest(conn, digest=reference.digest) == 1
    where = f"reference {reference.number} of version {reference.version_id}"
    if numbers != list(range(len(numbers))):
        return [
            _fault("reference_pieces", where, f"its rows are kept in pieces {numbers[:5]}…, of which some are missing")
        ]
    if reference.media_type == DLP_MEDIA_TYPE:
        return []
    counting = _counting(store, reference) if again else None
    digest, rows = hashlib.sha256(), 0
    for number in numbers:
        with store.read() as conn:
            payload = chunks(conn, reference_id=reference_id, seq=number) or b""
        digest.update(payload)
        try:
            batch = decode_batch(payload, "zstd")
        except (OSError, ValueError):  # said of the piece itself
            return []
        rows += batch.num_rows
        if counting is not None:
            counting[0].add(conform(batch, counting[1]))
    if rows != reference.rows:
        return [_fault("reference_rows", where, f"{rows} rows are kept of it, expected {reference.rows}")]
    made = f"sha256:{digest.hexdigest()}"
    if reference.source.startswith("stored:") and alone and made != reference.digest:
        return [_fault("reference_digest", where, f"its rows make {made}, expected {reference.digest}")]
    if counting is None:
        return []
    with store.read() as conn:
        stored = codec.decode(reference_profile(conn, reference_id=reference_id), counting[0].layout)
    found = difference(counting[0].profile(), stored, layout=counting[0].layout)
    return [] if found is None else [_fault("reference_profile", where, f"its rows and its profile differ: {found}")]


def _counting(store: Store, reference: Reference) -> tuple[ProfileAccumulator, Schema] | None:
    """What counts the rows of the reference as they were counted when it was set."""
    if reference.layout_id is None or reference.schema_id is None:
        return None
    with store.read() as conn:
        layout = Layout.decode(get_layout(conn, id=reference.layout_id))
        schema = get_schema(conn, id=reference.schema_id)
    return ProfileAccumulator(layout), fitted(schema, layout=layout)


def _fault(code: str, where: str, found: str) -> Fault:
    return Fault(code=code, where=where, found=found, remedy=_REMEDY)
