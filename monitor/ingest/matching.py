"""Whether a new version's records are those its schema describes."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest
from monitor.model.schema import Schema

FIRST_RECORDS = 1_000
_SHOWN = 20


def check_columns_match(schema: Schema | None, unknown: Iterable[str], *, stored_rows: int) -> None:
    """Refuse records of which no feature is in the schema, while the version has few: a wrong model or name.

    Later such records are stored and counted as unknown columns.
    """
    if schema is None or stored_rows >= FIRST_RECORDS:
        return
    known = [c.name for c in schema.columns if c.role == "feature"]
    sent = sorted(unknown)
    errors = [
        {"index": 0, "field": name, "code": "unknown_column", "message": f"not in the schema{nearest(name, known)}"}
        for name in sent[:_SHOWN]
    ]
    hints = "; ".join(f"{name!r}{nearest(name, known)}" for name in sent[:5])
    raise InvalidInput(
        f"no feature of the records is in the version's schema: found {hints}; "
        f"expected some of {', '.join(map(repr, known[:20]))}. Correct the names, or set the version's schema",
        code="columns_do_not_match", errors=errors,
    )  # fmt: skip
