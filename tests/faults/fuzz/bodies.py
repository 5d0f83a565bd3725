"""What hypothesis makes of the media types that schemathesis knows nothing of: tables and lines, whole and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import schemathesis
from hypothesis import strategies as st

from tests.api.tables import arrow_of, csv_of, parquet_of
from tests.faults.pair import ARROW, CSV, NDJSON, PARQUET

NAMES = ["id", "timestamp", "at", "age", "plan", "score", "prediction", "label", "score:a", 'a "b"', "x\u0000", ""]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)
TIMES = st.one_of(
    st.sampled_from(["2026-03-01T00:00:00Z", "2026-03-01 00:00:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"]),
    INT64, st.floats(), TEXT,
)  # fmt: skip
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXT)
NESTED = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
COLUMN_NAMES = st.sampled_from(NAMES) | TEXT
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT | VALUES, "timestamp": TIMES,
        "features": st.dictionaries(COLUMN_NAMES, NESTED, max_size=4) | NESTED,
        "prediction": VALUES, "score": VALUES, "scores": st.dictionaries(TEXT, VALUES, max_size=3) | VALUES,
        "label": VALUES, "age": VALUES, "plan": VALUES, "at": TIMES,
    },
)  # fmt: skip
KINDS: list[tuple[st.SearchStrategy[Any], pa.DataType]] = [
    (INT64, pa.int64()), (st.floats(), pa.float64()), (TEXT, pa.string()), (st.booleans(), pa.bool_()),
    (TEXT, pa.dictionary(pa.int8(), pa.string())), (st.binary(max_size=4), pa.binary()), (INT64, pa.timestamp("ns")),
    (st.integers(-(2**40), 2**40), pa.timestamp("s", "UTC")), (st.integers(0, 2**31 - 1), pa.date32()),
    (st.lists(st.floats(), max_size=3), pa.list_(pa.float64())), (st.floats(width=16), pa.float16()),
    (st.fixed_dictionaries({"a": st.floats(), "b": TEXT}), pa.struct({"a": pa.float64(), "b": pa.string()})),
    (st.decimals(-999, 999, places=2), pa.decimal128(5, 2)), (st.none(), pa.null()),
    (st.integers(0, 2**63), pa.uint64()), (st.integers(0, 2**40), pa.duration("us")),
]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of up to five rows with missing values; names may come twice, kinds may be such as no record has."""
    rows = draw(st.integers(0, 5))
    names = draw(st.lists(COLUMN_NAMES, max_size=5))
    columns = []
    for _ in names:
        values, kind = draw(st.sampled_from(KINDS))
        columns.append(pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind))
    return pa.table(columns, names=names)


@st.composite
def damaged(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body as it is, half of the time; else cut, with one byte changed, or noise."""
    body = draw(bodies)
    how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "changed", "noise"]))
    if how == "noise" or not body:
        return draw(st.binary(max_size=40))
    if how == "whole":
        return body
    place = draw(st.integers(0, len(body) - 1))
    changed = bytes([body[place] ^ draw(st.integers(1, 255))])
    return body[:place] + (b"" if how == "cut" else changed + body[place + 1 :])


def written(write: Callable[[pa.Table], bytes]) -> st.SearchStrategy[bytes]:
    """Tables as a format writes them; those that it cannot hold are none."""

    def bodies(table: pa.Table) -> bytes | None:
        try:
            return write(table)
        except (pa.ArrowException, ValueError):
            return None

    return tables().map(bodies).filter(lambda body: body is not None)


def register() -> None:
    """Lets schemathesis make bodies of these media types."""
    lines = st.lists((RECORDS | NESTED).map(json.dumps) | TEXT, max_size=5).map("\n".join)  # NaN and Infinity too
    for media_type, bodies in (
        (ARROW, written(arrow_of)), (PARQUET, written(parquet_of)), (CSV, written(csv_of)),
        (NDJSON, lines.map(str.encode)), ("application/vnd.driftline.profile", st.binary(max_size=60)),
    ):  # fmt: skip
        schemathesis.openapi.media_type(media_type, damaged(bodies))
