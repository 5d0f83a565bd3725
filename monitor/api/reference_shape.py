"""A reference as the API shows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from monitor.evaluate.activation import Published
from monitor.model.entities import Reference
from monitor.model.time import rfc3339
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.profile.summary import summarise_column
from monitor.store import layouts, references, schemas


def reference_shape(reference: Reference, *, active: bool) -> dict[str, Any]:
    """Number, provenance and warnings."""
    return {
        "reference": reference.number, "active": active, "rows": reference.rows, "digest": reference.digest,
        "source": reference.source, "media_type": reference.media_type, "roles": reference.roles,
        "created_at": rfc3339(reference.created_us), "warnings": list(reference.warnings),
    }  # fmt: skip


def published_shape(published: Published) -> dict[str, Any]:
    """The answer to setting or activating a reference."""
    return reference_shape(published.reference, active=True) | {
        "schema": published.schema.to_json(),
        "columns": _columns(published.layout, published.profile),
    }


def reference_detail(conn: Connection, *, reference: Reference) -> dict[str, Any]:
    """Its schema and a summary of its columns, from the store."""
    schema = None if reference.schema_id is None else schemas.get_schema(conn, id=reference.schema_id).to_json()
    if reference.layout_id is None:
        return {"schema": schema, "columns": {}}
    layout = Layout.decode(layouts.get_layout(conn, id=reference.layout_id))
    profile = codec.decode(references.reference_profile(conn, reference_id=reference.id), layout)
    return {"schema": schema, "columns": _columns(layout, profile)}


def _columns(layout: Layout, profile: Profile) -> dict[str, Any]:
    return {c.name: summarise_column(layout, profile, column=c.name) for c in layout.columns}
