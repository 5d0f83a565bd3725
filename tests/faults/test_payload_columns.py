"""Columns that cannot be computed: each is unknown with its reason, and the others are computed."""

from __future__ import annotations

import gzip
import io
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.pair import ARROW, MIB, PARQUET, Pair

HOUR = 3_600_000_000
START = 1_760_000_400_000_000 // HOUR * HOUR
MOMENTARY = ("computed_at", "revision")  # how often a window was judged while rows still came
HISTORY = 200  # hours of reference, so that nothing is unknown because it is still learning


def table(rows: int, *, start_us: int, seed: int, hours: int = 1, crowded: int = 1) -> pa.Table:
    """Rows of some hours: a good number and category, a constant, a missing, a column of ``crowded`` codes."""
    rng = np.random.default_rng(seed)
    times = np.linspace(start_us, start_us + hours * HOUR - 1, rows).astype("int64")
    return pa.table({
        "at": pa.array(times, pa.timestamp("us", tz="UTC")),
        "good": rng.normal(size=rows),
        "plan": pa.array(rng.choice(["a", "b", "c"], rows)),
        "constant": np.ones(rows),
        "gone": pa.nulls(rows, pa.float64()),
        "code": rng.permutation(crowded)[np.arange(rows) % crowded],
    })  # fmt: skip


def parquet(made: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(made, sink, compression="zstd")
    return sink.getvalue()


def arrow(made: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made)
    return gzip.compress(sink.getvalue(), 1)


def set_reference(pair: Pair, made: pa.Table) -> None:
    answer = pair.ask("PUT", pair.version + "/reference?timestamp=at&categorical=code", content=parquet(made),
                      headers={"Content-Type": PARQUET})  # fmt: skip
    assert answer.status == 201, answer.text


def send(pair: Pair, made: pa.Table) -> None:
    answer = pair.post(arrow(made), ARROW, query="?timestamp=at", content_encoding="gzip")
    assert answer.json["stored"] == made.num_rows, answer.text


def judged(pair: Pair, *, metric: str, rows: int) -> dict[str, dict]:
    """Column → its row of the newest window, the same on both servers, once all of the window's rows are judged."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = []
        for server in pair.servers:
            found_rows = server.client.get(pair.version + f"/results?latest=true&metric={metric}").json()["results"]
            found.append({r["column"]: {k: v for k, v in r.items() if k not in MOMENTARY} for r in found_rows})
        if all(f and max(row["rows"] for row in f.values()) == rows for f in found):
            assert found[0] == found[1]
            return found[0]
        time.sleep(0.2)
    raise AssertionError("no result in time")


@pytest.mark.parametrize("where", ["reference", "traffic"])
@pytest.mark.slow
def test_a_million_categories_of_a_reference_or_all_new_ones_leave_the_other_columns_computed(pair, where):
    crowded = {"reference": (10**6, 10**6), "traffic": (1, 50_000)}[where]
    rows = {"reference": (10**6, 5_000), "traffic": (10**6, 50_000)}[where]
    set_reference(pair, table(rows[0], start_us=START, hours=HISTORY, seed=1, crowded=crowded[0]))
    send(pair, table(rows[1], start_us=START + (HISTORY + 1) * HOUR, seed=2, crowded=crowded[1]))
    found = judged(pair, metric="psi", rows=rows[1])
    assert {name: (row["status"], row["reason"]) for name, row in found.items() if name != "code"} == {
        "good": ("ok", None), "plan": ("ok", None),
        "constant": ("unknown", "constant"), "gone": ("unknown", "all_missing"),
    }  # fmt: skip
    assert (found["constant"]["value"], found["gone"]["value"]) == (None, None)
    # every code of the traffic was in the reference, if that had so many; else none was, and that is an alert
    assert (found["code"]["status"] == "alert") == (where == "traffic")
    unseen = judged(pair, metric="unseen", rows=rows[1])["code"]
    assert (unseen["status"], unseen["reason"]) == {
        "reference": ("unknown", "too_many_categories"), "traffic": ("alert", None),
    }[where]  # fmt: skip
    assert pair.growth < 900 * MIB


def test_one_row_is_too_few_and_says_what_is_needed(pair):
    set_reference(pair, table(20_000, start_us=START, hours=HISTORY, seed=1, crowded=5))
    send(pair, table(1, start_us=START + (HISTORY + 1) * HOUR, seed=2))
    found = judged(pair, metric="psi", rows=1)
    assert {row["status"] for row in found.values()} == {"unknown"}
    assert found["good"]["reason"] == "few_rows"
