"""What can be compared: every kind of table says the same, and what cannot be is refused in words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import monitor
from monitor.columns.conform import conform
from monitor.columns.infer import infer_schema
from monitor.columns.roles import Roles
from monitor.columns.table import canonical_batch
from monitor.compare import profile
from monitor.compare.reference import build_layout
from monitor.compare.tables import open_side
from monitor.model.errors import ClientError, InvalidInput, Malformed, NotAvailableYet, NotFound
from monitor.profile.build import LayoutBuilder
from monitor.profile.dlp import write_dlp


def side(rows=4_000, *, seed=1, shift=0.0):
    rng = np.random.default_rng(seed)
    age = rng.normal(40 + shift, 10, rows).round(2)
    age[rng.random(rows) < 0.1] = np.nan
    cities = np.array(["rome", "oslo", "bern", None], dtype=object)
    return pd.DataFrame(
        {
            "age": age,
            "children": rng.integers(0, 5, rows),
            "member": rng.random(rows) < 0.3,
            "city": rng.choice(cities, rows),
        }
    )


def numbers_of(report):
    return {
        (r["column"], r["metric"], r["check"]): (r["value"], r["status"], r["rows"], r["reference_rows"])
        for r in report.to_rows()
    }  # fmt: skip


def as_polars(frame):
    return pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False))


def as_file(tmp_path, name, writer):
    path = tmp_path / name
    writer(path)
    return path


KINDS = {
    "polars frame": lambda f, p: as_polars(f),
    "pyarrow table": lambda f, p: pa.Table.from_pandas(f, preserve_index=False),
    "table of many chunks": lambda f, p: pa.concat_tables(
        [pa.Table.from_pandas(f.iloc[i : i + 700], preserve_index=False) for i in range(0, len(f), 700)]
    ),
    "stream that is read once": lambda f, p: pa.Table.from_pandas(f, preserve_index=False).to_reader(max_chunksize=500),
    "frame backed by Arrow": lambda f, p: f.convert_dtypes(dtype_backend="pyarrow"),
    "frame of categories": lambda f, p: f.astype({"city": "category"}),
    "frame with an index": lambda f, p: f.set_index(pd.Index(range(7, 7 + len(f)), name="row")),
    "Parquet file": lambda f, p: as_file(p, "side.parquet", lambda q: pq.write_table(pa.Table.from_pandas(f), q)),
    "Parquet file with the index of pandas": lambda f, p: as_file(
        p, "side.parquet", lambda q: f.set_index(pd.Index(np.arange(len(f))[::-1])).to_parquet(q)
    ),
    "CSV file": lambda f, p: as_file(p, "side.csv", lambda q: f.to_csv(q, index=False)),
    "NDJSON file": lambda f, p: as_file(p, "side.ndjson", lambda q: f.to_json(q, orient="records", lines=True)),
    "Arrow file": lambda f, p: as_file(p, "side.arrow", lambda q: as_polars(f).write_ipc_stream(q)),
}


@pytest.fixture(scope="module")
def expected():
    return numbers_of(monitor.check(reference=side(), current=side(seed=2, shift=3)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_numbers_as_a_pandas_frame(kind, expected, tmp_path):
    (tmp_path / "then").mkdir()
    (tmp_path / "now").mkdir()
    report = monitor.check(
        reference=KINDS[kind](side(), tmp_path / "then"), current=KINDS[kind](side(seed=2, shift=3), tmp_path / "now")
    )
    assert numbers_of(report) == expected


def test_a_profile_file_gives_the_same_numbers_as_its_rows(expected, tmp_path):
    path = tmp_path / "reference.dlp"
    path.write_bytes(write_dlp(profile(side(), roles=Roles())))
    assert numbers_of(monitor.check(reference=path, current=side(seed=2, shift=3))) == expected
    current = tmp_path / "current.dlp"
    current.write_bytes(write_dlp(profile(side(seed=2, shift=3), roles=Roles(), like=path)))
    assert numbers_of(monitor.check(reference=path, current=str(current))) == expected


def test_a_current_profile_with_other_cells_is_refused_with_the_way_to_make_it(tmp_path):
    with pytest.raises(InvalidInput, match="--like"):
        monitor.check(reference=side(), current=profile(side(seed=2), roles=Roles()))


def test_a_reference_profile_refuses_roles_it_was_not_made_with():
    made = profile(side(), roles=Roles(categorical=("children",)))
    monitor.check(reference=made, current=side(seed=2), categorical=["children"])
    with pytest.raises(InvalidInput, match="made with prediction=None"):
        monitor.check(reference=made, current=side(seed=2), prediction="age")


def test_the_cells_are_those_of_one_layout_builder_however_many_threads_made_them():
    frame = pd.concat([side(60_000, seed=s) for s in range(4)], ignore_index=True)
    frame["heavy"] = np.random.default_rng(5).standard_cauchy(len(frame))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    batches = [
        canonical_batch(b, schema=None, roles=Roles(), received_us=0).batch
        for b in table.to_batches(max_chunksize=50_000)
    ]  # fmt: skip
    schema = infer_schema(batches, roles=Roles())
    conformed = [conform(b, schema) for b in batches]
    single = LayoutBuilder(schema)
    for batch in conformed:
        single.add(batch)
    with ThreadPoolExecutor(2) as pool:
        for expected_rows in (None, len(frame)):
            made = build_layout(lambda: iter(conformed), schema=schema, expected=expected_rows, pool=pool)
            assert made.digest == single.finish().digest


def test_nan_of_pandas_is_missing_and_infinity_invalid_and_objects_of_several_kinds_keep_their_values():
    reference = side()
    current = side(seed=2).astype({"age": object})
    current.loc[0, "age"] = "forty"
    current.loc[1, "age"] = float("inf")
    report = monitor.check(reference=reference, current=current)
    found = {r["metric"]: r["value"] for r in report["age"]}
    assert found["invalid"] == 2 / 4_000
    assert found["missing"] == pytest.approx(side(seed=2).age.iloc[2:].isna().sum() / 4_000)


def test_numbers_named_categorical_are_categories():
    report = monitor.check(reference=side(), current=side(seed=2), categorical=["children"])
    assert {"l_infinity", "unseen"} <= {r["metric"] for r in report["children"]}
    assert report["children"][0]["status"] == "ok"


def test_ignored_columns_are_not_compared_and_roles_are_by_name():
    reference, current = side(), side(seed=2).drop(columns="city")
    report = monitor.check(reference=reference, current=current, ignore=["city"], prediction="member", label="children")
    assert report.columns == ("age", "member")
    assert report.status == "ok"


def test_a_column_that_current_does_not_have_is_an_alert_of_kind_schema():
    report = monitor.check(reference=side(), current=side(seed=2).drop(columns="city"))
    rows = [r for r in report["city"] if r["kind"] == "schema"]
    assert [(r["metric"], r["status"]) for r in rows] == [("columns", "alert")]
    assert report.status == "alert"
    assert report.to_dict()["summary"]["columns_in_alert"] == 1


def test_a_column_that_reference_does_not_have_is_told_and_not_compared():
    report = monitor.check(reference=side(), current=side(seed=2).assign(extra=1.0))
    assert "extra" not in report.columns
    assert any("extra" in note for note in report.notes)


def test_repeats_of_an_id_count_once():
    current = side(seed=2).assign(request=[f"r{i}" for i in range(4_000)])
    twice = pd.concat([current, current.iloc[:500].assign(age=99.0)], ignore_index=True)
    once = monitor.check(reference=side(), current=current, id="request")
    again = monitor.check(reference=side(), current=twice, id="request")
    assert numbers_of(again) == numbers_of(once)
    assert any("500 rows of current were left out" in note for note in again.notes)


def test_rows_with_an_unreadable_time_are_left_out_and_told():
    current = side(seed=2).assign(at="2026-03-01T00:00:00Z")
    current.loc[:9, "at"] = "yesterday"
    report = monitor.check(reference=side(), current=current, timestamp="at")
    assert report.rows == 3_990
    assert any("10 rows of current were left out" in note for note in report.notes)


def test_it_warns_when_current_ends_before_reference_begins():
    march = side().assign(at=datetime(2026, 3, 1, tzinfo=UTC))
    april = side(seed=2).assign(at=datetime(2026, 4, 1, tzinfo=UTC))
    monitor.check(reference=march, current=april, timestamp="at")
    with pytest.warns(UserWarning, match="are the two sides swapped"):
        monitor.check(reference=april, current=march, timestamp="at")


def test_neither_side_is_changed():
    reference, current = side(), side(seed=2)
    before = reference.copy(), current.copy()
    monitor.check(reference=reference, current=current)
    pd.testing.assert_frame_equal(reference, before[0])
    pd.testing.assert_frame_equal(current, before[1])


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (42, InvalidInput, "expected a pandas or polars frame"),
        ("nowhere.parquet", NotFound, "nowhere.parquet does not exist"),
        (pd.DataFrame({"age": []}), InvalidInput, "no usable row"),
        (pd.DataFrame({"at": ["x" * 80] * 60}), InvalidInput, "no column that can be compared"),
        (pd.DataFrame([[1.0, 2.0]], columns=["age", "age"]), InvalidInput, "there twice"),
        (pl.Series([1.0, 2.0]), InvalidInput, "columns"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused_in_words(given, error, said):
    with pytest.raises(error, match=said):
        monitor.check(reference=given, current=side())


def test_files_that_are_not_what_their_name_says_are_refused_with_their_path(tmp_path):
    for name in ("side.parquet", "side.dlp", "side.arrow"):
        path = tmp_path / name
        path.write_bytes(b"hello, this is no table")
        with pytest.raises(Malformed, match=name):
            monitor.check(reference=path, current=side())
    (tmp_path / "side.xlsx").write_bytes(b"PK")
    with pytest.raises(ClientError, match="parquet"):
        monitor.check(reference=tmp_path / "side.xlsx", current=side())
    with pytest.raises(InvalidInput, match="directory"):
        monitor.check(reference=tmp_path, current=side())


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"window": "1d"}, InvalidInput, "no timestamp column"),
        ({"window": "1d", "timestamp": "when"}, InvalidInput, "timestamp"),
        ({"window": "fortnight", "timestamp": "at"}, InvalidInput, "not known"),
        ({"prediction": "aeg"}, InvalidInput, "did you mean 'age'"),
        ({"false_alarms": "never"}, InvalidInput, "not a budget"),
        ({"min_rows": 0}, InvalidInput, "min_rows"),
        ({"categorical": "city"}, InvalidInput, "expected a list"),
        ({"checks": [{"name": "x", "kind": "drfit"}]}, InvalidInput, "did you mean 'drift'"),
        ({"checks": [{"name": "x", "kind": "fairness"}]}, NotAvailableYet, "not available yet"),
        (
            {"checks": [{"name": "x", "kind": "drift", "baseline": {"kind": "rolling"}}]},
            InvalidInput,
            "windows that a server has stored",
        ),
    ],
)
def test_arguments_that_cannot_be_followed_are_refused_in_words(arguments, error, said):
    with pytest.raises(error, match=said):
        monitor.check(reference=side(200), current=side(200, seed=2), **arguments)


def test_arguments_are_keywords_only():
    with pytest.raises(TypeError):
        monitor.check(side(), side(seed=2))


def test_a_table_can_be_gone_through_again():
    table = open_side(side(100), side="reference")
    assert [part().num_rows for part in table.parts()] == [part().num_rows for part in table.parts()] == [100]
