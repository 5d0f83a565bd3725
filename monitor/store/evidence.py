"""Numbers and columns behind a verdict, as both databases keep them alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from monitor.model.results import ColumnEvidence
from monitor.store import jsontext


def finite(number: float | None) -> float | None:
    """The number, or None for NaN and infinities: SQLite keeps NaN as NULL and PostgreSQL as NaN.

    >>> [finite(0.5), finite(float("nan")), finite(None)]
    [0.5, None, None]
    """
    return None if number is None or not math.isfinite(number) else float(number)


def dump_columns(columns: Sequence[ColumnEvidence]) -> str:
    """The columns as JSON text, in their order."""
    return jsontext.dump([[c.column, c.metric, finite(c.value), finite(c.threshold)] for c in columns])


def load_columns(text: str) -> tuple[ColumnEvidence, ...]:
    """The columns that ``dump_columns`` wrote."""
    return tuple(
        ColumnEvidence(column=column, metric=metric, value=value, threshold=threshold)
        for column, metric, value, threshold in jsontext.load(text)
    )
