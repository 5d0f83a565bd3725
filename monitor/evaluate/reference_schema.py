"""Which schema a reference brings: what is declared stays, what is not is inferred, roles need saying once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pyarrow as pa

from monitor.columns.infer import infer_schema
from monitor.columns.roles import Roles, stored_names
from monitor.model.schema import Column, Schema


def roles_in_force(roles: Roles, *, schema: Schema | None, names: Sequence[str]) -> Roles:
    """The roles given, and for those not given the schema's where the table has the column."""
    if schema is None:
        return roles
    here = [column for column in schema.columns if column.name in names]
    said = {*roles.assigned(), *roles.ignore}

    def first(role: str) -> str | None:
        return next((c.name for c in here if c.role == role and c.name not in said), None)

    scores = {c.class_ or "": c.name for c in here if c.role == "score" and c.name not in said}
    return replace(
        roles,
        prediction=roles.prediction or first("prediction"),
        label=roles.label or first("label"),
        timestamp=roles.timestamp or first("timestamp"),
        id=roles.id or first("id"),
        score=roles.score or scores,
        context=roles.context or tuple(c.name for c in here if c.role == "context"),
        segment=roles.segment or tuple(c.name for c in here if c.segment),
    )


def has_timestamps(names: Sequence[str], *, schema: Schema | None, roles: Roles) -> bool:
    """Whether one of the table's columns is the time of the prediction."""
    return "timestamp" in stored_names(names, schema=schema, roles=roles)


def schema_of_reference(
    batches: Iterable[pa.RecordBatch], *, known: Schema | None, roles: Roles, settled: bool
) -> Schema:
    """The version's schema with this reference.

    A declared schema stays and takes up the columns that the roles name, and the mark of those that make segments, an
    open one all it leaves out; an inferred one is inferred anew, keeping the types of columns it has while rows are
    folded by them (``settled``).
    """
    found = infer_schema(batches, roles=roles)
    if known is None:
        return found
    known = _marked(known, segment=roles.segment)
    if known.inferred:
        return found if not settled else _keeping_types(found, known, roles=roles)
    if known.open:
        return known.completed(found)
    named = {*roles.assigned(), *roles.context, *roles.segment}
    added = tuple(
        column
        for column in found.columns
        if column.name in named and column.name not in known.by_name and column.stored_name not in known.by_stored_name
    )
    return replace(known, columns=(*known.columns, *added)) if added else known


def _marked(known: Schema, *, segment: Sequence[str]) -> Schema:
    """The schema with the columns marked that make segments."""
    if all(column.segment for column in known.columns if column.name in segment):
        return known
    marked = (replace(c, segment=True) if c.name in segment else c for c in known.columns)
    return replace(known, columns=tuple(marked))


def _keeping_types(found: Schema, known: Schema, *, roles: Roles) -> Schema:
    columns = [_as_known(column, known.by_stored_name.get(column.stored_name), roles=roles) for column in found.columns]
    present = {column.stored_name for column in columns} | {column.name for column in columns}
    rest = [c for c in known.columns if c.stored_name not in present and c.name not in present]
    return Schema(columns=(*columns, *rest), inferred=True)


def _as_known(column: Column, known: Column | None, *, roles: Roles) -> Column:
    if known is None or column.name in roles.categorical:
        return column
    return replace(column, type=known.type)
