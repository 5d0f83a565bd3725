"""What a reference's owner should know before trusting it: each warning a code, a column and a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from monitor.model.schema import Column, Schema
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile

FEW_ROWS = 1_000
_IDENTIFIER = re.compile(r"(^|[_.\-])(id|uuid|guid|key|hash)$", re.IGNORECASE)
_LEAST_DISTINCT = 100
_DISTINCT_SHARE = 0.9

Warning_ = dict[str, str]


def reference_warnings(
    *,
    schema: Schema,
    layout: Layout,
    profile: Profile,
    timed: bool,
    unusable: int,
    unknown: tuple[str, ...],
    worth: str | None = None,
) -> tuple[Warning_, ...]:
    """Warnings of the whole reference first, then by column in the layout's order.

    ``worth`` is why its rows cannot say what the model is worth.
    """
    return (
        *((_warning("no_performance", "", worth),) if worth is not None else ()),
        *_whole(schema, rows=profile.rows, timed=timed, unusable=unusable),
        *(_warning("unknown_column", name, "is not in the schema: stored, not monitored until the schema takes it up")
          for name in unknown),
        *_by_column(schema, layout=layout, profile=profile),
    )  # fmt: skip


def _whole(schema: Schema, *, rows: int, timed: bool, unusable: int) -> Iterator[Warning_]:
    if schema.role("prediction") is None and schema.role("score") is None:
        yield _warning("no_prediction", "", "no column is the prediction or a score: say prediction= or score=")
    if schema.role("label") is None:
        yield _warning("no_label", "", "no column is the label: performance cannot be compared with the reference's")
    if not timed:
        yield _warning(
            "no_timestamp", "",
            "no column is the time: usual movement is learned from the first production windows (timestamp=)",
        )  # fmt: skip
    if rows < FEW_ROWS:
        yield _warning("few_rows", "", f"{rows:,} rows: from {FEW_ROWS:,} on small changes can be told from chance")
    if unusable:
        yield _warning("unusable_rows", "", f"{unusable:,} rows were left out: their id or timestamp cannot be used")


def _by_column(schema: Schema, *, layout: Layout, profile: Profile) -> Iterator[Warning_]:
    for column in schema.columns:
        if column.name not in layout.positions:
            if column.type in ("text", "embedding") and column.role in ("feature", "prediction", "score"):
                yield _warning("not_monitored", column.name, f"is {column.type}: stored, without a drift verdict")
            continue
        position = layout.index(column.name)
        yield from _column(column, layout=layout, profile=profile, position=position)


def _column(column: Column, *, layout: Layout, profile: Profile, position: int) -> Iterator[Warning_]:
    counts = profile.counts[layout.offsets[position] : layout.offsets[position + 1]]
    valid, invalid = int(counts.sum()), int(profile.invalid[position])
    if valid == 0:
        yield _warning("all_missing", column.name, "has no valid value: nothing can be held against it")
        return
    if _constant(layout, profile=profile, position=position, counts=counts):
        yield _warning("constant", column.name, "has one value only: drift is unknown, other values are out of range")
    if _id_like(column, distinct=int(np.count_nonzero(counts)), valid=valid):
        yield _warning("id_like", column.name, "looks like an identifier: say id= or ignore=, or it will drift always")
    if invalid:
        yield _warning(
            "invalid_values", column.name, f"{invalid:,} of {profile.rows:,} values do not fit {column.type}"
        )


def _constant(
    layout: Layout, *, profile: Profile, position: int, counts: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> bool:
    if layout.columns[position].kind == "numeric":
        return bool(profile.minimum[position] == profile.maximum[position])
    return int(np.count_nonzero(counts)) == 1


def _id_like(column: Column, *, distinct: int, valid: int) -> bool:
    if column.role != "feature":
        return False
    if column.type == "categorical":
        return distinct >= _LEAST_DISTINCT and distinct >= _DISTINCT_SHARE * valid
    return distinct >= _LEAST_DISTINCT and _IDENTIFIER.search(column.name) is not None


def _warning(code: str, column: str, message: str) -> Warning_:
    return {"code": code, "column": column, "message": message}
