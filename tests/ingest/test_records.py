"""Stored records read back: every one once, oldest first, whatever the page and the format."""

from __future__ import annotations

import io
import json
import random
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from monitor.columns.batch import decode_batch, encode_batch
from monitor.ingest import records
from monitor.ingest.record_formats import arrow_stream, csv_stream, json_page, json_records, parquet_stream
from monitor.ingest.records import Place, page, pages, wanted_records
from monitor.model.errors import InvalidInput, Unavailable
from monitor.model.schema import Column, Schema
from monitor.store import batches, models
from monitor.store.batches import NewBatch
from tests.ingest.conftest import CSV, NDJSON, NOW

HOUR = 3_600_000_000


def body(rows):
    return json.dumps({"records": rows}).encode()


def filled(door, *, rows=200, seed=3, most=40):
    """Rows of a day in random order and random batches; returns what was sent, oldest first."""
    rng = random.Random(seed)
    sent = [
        {"id": f"r{i:03}", "timestamp": NOW - rng.randrange(0, 24) * HOUR, "features": {"age": i, "color": "red"}}
        for i in range(rows)
    ]
    shuffled = rng.sample(sent, rows)
    while shuffled:
        size = rng.randrange(1, most)
        assert door.post(body(shuffled[:size])).status_code == 200
        del shuffled[:size]
    return sorted(sent, key=lambda r: (r["timestamp"], r["id"]))


def read(door, *, limit=10_000, **wanted):
    """Every record, page by page through its cursor."""
    found = wanted_records(door.store, model="m", version="1", **wanted)
    rows, after = [], None
    while True:
        table, following = page(door.store, found, after=after, limit=limit)
        rows += json_records(table, schema=found.schema)
        if following is None:
            return rows
        assert table.num_rows == limit
        after = Place.parse(str(following))


@pytest.mark.parametrize("limit", [1, 7, 200, 1_000])
def test_pages_of_any_size_give_every_record_once_and_oldest_first(door, limit):
    sent = filled(door, rows=60 if limit == 1 else 200)
    assert [r["id"] for r in read(door, limit=limit)] == [r["id"] for r in sent]


def test_from_and_to_are_half_open_and_an_id_selects(door):
    sent = filled(door)
    low, high = NOW - 10 * HOUR, NOW - 5 * HOUR
    assert [r["id"] for r in read(door, limit=9, from_us=low, to_us=high)] == [
        r["id"] for r in sent if low <= r["timestamp"] < high
    ]
    assert [r["id"] for r in read(door, id="r017")] == ["r017"]
    assert read(door, id="nobody") == []


def test_a_record_comes_back_as_it_was_sent(door):
    record = {"id": "a", "timestamp": "2026-03-01T11:00:00.123456Z", "prediction": "yes", "score": 0.5,
              "features": {"age": 3.0, "color": "red"}}  # fmt: skip
    door.post(body([record]))
    assert read(door) == [record]
    assert door.post(body(read(door)), query="?dry_run=true").json()["stored"] == 1


def test_raw_invalid_and_unknown_values_are_given_back(door):
    raw = b'{"records": [{"id": "a", "features": {"age": "old", "color": ["r"], "extra": {"deep": true}}}]}'
    door.post(raw)
    door.post(b'{"records": [{"id": "b", "features": {"age": NaN, "color": "\\ud800"}}]}')
    first, second = read(door)
    assert first["features"] == {"age": "old", "color": ["r"], "extra.deep": True}
    assert second["features"] == {"age": "NaN", "color": "\ud800"}
    found = wanted_records(door.store, model="m", version="1")
    table, following = page(door.store, found, after=None, limit=10)
    assert json.loads(json_page(table, following, schema=found.schema))["results"] == [first, second]


def test_a_record_that_was_sent_twice_is_shown_once_as_first_committed(door):
    door.post(body([{"id": "a", "timestamp": NOW, "features": {"age": 1}}]))
    door.post(body([{"id": "a", "timestamp": NOW, "features": {"age": 2}}]))
    assert [r["features"] for r in read(door, limit=1)] == [{"age": 1.0}]


def test_the_streams_hold_the_whole_range(door):
    sent = filled(door)
    found = wanted_records(door.store, model="m", version="1")

    def ids(table):
        return table.column("id").to_pylist()

    expected = [r["id"] for r in sent]
    parquet = b"".join(parquet_stream(pages(door.store, found, limit=64)))
    assert ids(pq.read_table(io.BytesIO(parquet))) == expected
    arrow = b"".join(arrow_stream(pages(door.store, found, limit=64)))
    assert ids(pa.ipc.open_stream(arrow).read_all()) == expected
    text = b"".join(csv_stream(pages(door.store, found, limit=64)))
    assert ids(pa_csv.read_csv(io.BytesIO(text))) == expected


def test_what_is_read_as_csv_can_be_sent_again(opened):
    door = opened()
    sent = filled(door, rows=30)
    door.post(body([{"id": "z", "timestamp": NOW, "features": {"age": 1, "color": ""}}]))
    found = wanted_records(door.store, model="m", version="1")
    text = b"".join(csv_stream(pages(door.store, found)))
    answer = door.post(text, CSV, path="/models/m/versions/2")
    assert (answer.json()["stored"], answer.json()["columns"]["invalid"]) == (len(sent) + 1, {})
    columns = ("id", "timestamp", "f:age", "f:color")
    assert sorted([r[c] for c in columns] for r in door.stored("2") if r["id"] != "z") == sorted(
        [r[c] for c in columns] for r in door.stored("1") if r["id"] != "z"
    )
    assert next(r["f:color"] for r in door.stored("2") if r["id"] == "z") == ""


def test_without_a_schema_the_columns_are_inferred_from_the_rows(opened):
    door = opened(schema=None)
    door.post(
        body(
            [{"id": "a", "timestamp": NOW, "features": {"n": 1}}, {"id": "b", "timestamp": NOW, "features": {"s": "x"}}]
        )
    )
    assert [r["features"] for r in read(door)] == [{"n": 1.0}, {"s": "x"}]


AWKWARD = ['5" wide', "a\\b", "id", "timestamp", "invalid", "unknown", "fold", "a", "features.id"]


def awkward_records():
    features = [{name: float(i + k) for i, name in enumerate(AWKWARD)} for k in range(2)]
    return [{"id": f"r{k}", "timestamp": "2026-03-01T11:00:00Z", "features": features[k]} for k in range(2)]


@pytest.mark.parametrize("columns", [[name] for name in AWKWARD] + [AWKWARD], ids=lambda names: " ".join(names)[:20])
def test_features_may_have_any_name_in_json_and_in_tables(opened, columns):
    door = opened(schema=Schema(columns=tuple(Column(name=name) for name in columns)))
    sent = [record | {"features": {n: record["features"][n] for n in columns}} for record in awkward_records()]
    assert door.post(body(sent)).json()["columns"] == {"unknown": {}, "missing": [], "invalid": {}}
    assert door.post("\n".join(map(json.dumps, sent)), NDJSON, path="/models/m/versions/2").json()["stored"] == 2
    assert read(door) == sent
    assert door.stored(schema=door_schema(door)) == door.stored("2", schema=door_schema(door))
    found = wanted_records(door.store, model="m", version="1")
    table = pa.ipc.open_stream(b"".join(arrow_stream(pages(door.store, found)))).read_all()
    assert len(set(table.column_names)) == len(table.column_names) == len(columns) + 4
    assert [table.column(2 + i).to_pylist() for i in range(len(columns))] == [
        [record["features"][name] for record in sent] for name in columns
    ]


def door_schema(door):
    return wanted_records(door.store, model="m", version="1").schema


def test_a_score_of_a_class_with_a_quote_in_its_name_is_stored(opened):
    column = Column(name="p", role="score", class_='5" wide')
    door = opened(schema=Schema(columns=(Column(name="age"), column)))
    sent = [{"id": "a", "timestamp": "2026-03-01T11:00:00Z", "features": {"age": 1.0}, "scores": {'5" wide': 0.5}}]
    assert door.post(body(sent)).status_code == 200
    assert read(door) == sent


def test_without_a_schema_a_feature_may_be_called_like_a_part_of_the_record(opened):
    door = opened(schema=None)
    features = {"prediction": 1.0, "label": 2.0, "score:yes": 3.0}
    sent = [{"id": "a", "timestamp": "2026-03-01T11:00:00Z", "features": features, "prediction": 4.0, "label": 5.0,
             "scores": {"yes": 6.0}}]  # fmt: skip
    door.post(body(sent))
    assert read(door) == sent


def test_no_records_are_an_empty_page_and_empty_streams_that_read(door):
    assert read(door) == []
    found = wanted_records(door.store, model="m", version="1")
    assert pa.ipc.open_stream(b"".join(arrow_stream(pages(door.store, found)))).read_all().num_rows == 0
    assert pq.read_table(io.BytesIO(b"".join(parquet_stream(pages(door.store, found))))).num_rows == 0


def test_a_foreign_cursor_is_refused():
    with pytest.raises(InvalidInput, match="cursor"):
        Place.parse("'; DROP TABLE")


@pytest.fixture
def compacting(door, monkeypatch):
    """A function that has every batch made one segment when the reader has read so often."""

    def after(reads):
        left = [reads]
        opened = type(door.store).read

        @contextmanager
        def read(store):
            left[0] -= 1
            if left[0] == 0:
                compact_all(door)
            with opened(store) as conn:
                yield conn

        monkeypatch.setattr(type(door.store), "read", read)

    return after


def compact_all(door):
    """What folding and compaction make of every batch: one, in the place of all."""
    with door.store.write() as conn:
        version = models.get_version(conn, model="m", version="1")[1]
        infos = batches.unfolded(conn, version_id=version.id, max_rows=10**9)
        batches.mark_folded(conn, version_id=version.id, ids=[info.id for info in infos], fold_seen=version.fold_seq)
        parts = [decode_batch(*batches.payload(conn, id=info.id)) for info in infos]
        whole = pa.concat_batches(parts)
        new = NewBatch(
            version_id=version.id, received_us=1, t_min_us=min(info.t_min_us for info in infos),
            t_max_us=max(info.t_max_us for info in infos), rows=whole.num_rows, schema_id=infos[0].schema_id,
            payload=encode_batch(whole, codec="zstd"), codec="zstd",
        )  # fmt: skip
        fold = version.fold_seq + 1
        batches.replace_batches(
            conn, version_id=version.id, ids=[info.id for info in infos], new=new, fold_min=fold, fold_max=fold
        )


@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_a_segment_full_of_repeats_gives_every_record_once_as_first_committed(door, limit):
    for number in range(6):
        rows = [{"id": f"r{i:02}", "timestamp": NOW - (i % 4) * HOUR, "features": {"age": number}} for i in range(20)]
        assert door.post(body(rows)).status_code == 200
    compact_all(door)
    found = read(door, limit=limit)
    assert [r["id"] for r in found] == sorted((f"r{i:02}" for i in range(20)), key=lambda id: (-(int(id[1:]) % 4), id))
    assert {r["features"]["age"] for r in found} == {0.0}


@pytest.mark.parametrize("listed", [2, 3, 100])  # so that a page takes several lists, of which the last is short
@pytest.mark.parametrize("reads", range(1, 8))
def test_records_that_are_compacted_while_they_are_read_are_read_all_the_same(
    door, compacting, monkeypatch, reads, listed
):
    sent = filled(door, rows=30, most=8)
    monkeypatch.setattr(records, "_LISTED", listed)
    compacting(reads)
    assert [r["id"] for r in read(door, limit=1_000)] == [r["id"] for r in sent]


def test_records_that_move_all_the_time_are_asked_for_again_later(door, monkeypatch):
    filled(door, rows=5)
    found = wanted_records(door.store, model="m", version="1")
    monkeypatch.setattr(batches, "payloads", lambda conn, *, ids: {})
    with pytest.raises(Unavailable, match="compacted"):
        page(door.store, found, after=None, limit=10)
