"""Labels taken in: the same in every media type and encoding, durable, safe to retry, on both databases."""

from __future__ import annotations

import asyncio
import gzip
import json
from urllib.parse import quote

import pyarrow as pa
import pytest

from monitor.ingest import label_matches, stored
from monitor.ingest.limits import Limits
from monitor.ingest.uuid7 import make_id
from monitor.model.entities import Version
from monitor.store import models
from monitor.store.ids import NewRun, add_run
from tests.ingest.conftest import ARROW, CSV, JSON, NDJSON, NOW, PARQUET
from tests.ingest.label_forms import FORMS, PACKED, as_arrow, as_json, as_lines, as_parquet

HOUR = 3_600_000_000
LABELS = [
    {"id": "a", "label": "yes"}, {"id": "b", "label": True}, {"id": "7", "label": 3.0, "timestamp": NOW},
    {"id": "d", "label": None}, {"id": "e", "label": ""},
    {"id": "f", "label": "3", "timestamp": "2026-03-01T11:00:00Z"},
]  # fmt: skip
EXPECTED = {"a": "yes", "b": "true", "7": "3", "d": None, "e": "", "f": "3"}
AMOUNTS = [{"id": "a", "label": 1}, {"id": "b", "label": -2.5}, {"id": "c", "label": None}, {"id": "d", "label": 1e9}]


@pytest.fixture
def binary(opened):
    return opened(task="binary_classification")


@pytest.fixture
def regression(opened):
    return opened(task="regression")


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("form", FORMS)
def test_labels_mean_the_same_in_every_media_type_and_encoding(binary, form, encoding):
    media_type, encode = FORMS[form]
    answer = binary.label(PACKED[encoding](encode(LABELS)), media_type, content_encoding=encoding)
    expected = {"stored": 6, "quarantined": 0, "matched": 0, "waiting": 6, "errors": []}
    assert (answer.status_code, answer.json()) == (200, expected)
    assert binary.labels_by_id(*EXPECTED) == EXPECTED
    assert [row["timestamp"] for row in binary.labelled()] == [None, None, NOW, None, None, NOW - HOUR]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (JSON, as_json(AMOUNTS)),
        (NDJSON, as_lines(AMOUNTS)),
        (CSV, b"id,label\na,1\nb,-2.5\nc,\nd,1e9\n"),
        (ARROW, as_arrow(pa.table({"id": ["a", "b", "c", "d"], "label": [1.0, -2.5, None, 1e9]}))),
        (PARQUET, as_parquet(pa.table({"id": list("abcd"), "label": pa.array([1, -2.5, None, 1e9], pa.float32())}))),
    ],
    ids=["JSON", "NDJSON", "CSV", "Arrow", "Parquet"],
)
def test_labels_of_a_regression_are_numbers_in_every_media_type(regression, media_type, body):
    assert regression.label(body, media_type).json()["stored"] == 4
    assert regression.labels_by_id("a", "b", "c", "d") == {"a": 1.0, "b": -2.5, "c": None, "d": 1e9}
    assert "timestamp" not in regression.labelled()[0]


def test_an_id_that_is_a_number_is_its_decimal_text(binary):
    binary.label(as_arrow(pa.table({"id": [7, 8], "label": [True, False]})), ARROW)
    binary.label([{"id": 9, "label": 1}, {"id": 10.0, "label": 0}])
    assert binary.labels_by_id("7", "8", "9", "10") == {"7": "true", "8": "false", "9": "1", "10": "0"}


POISON = {
    "a number": (b"5", "not_an_object"), "null": (b"null", "not_an_object"),
    "no id": (b'{"label":1}', "id_missing"), "a null id": (b'{"id":null,"label":1}', "id_missing"),
    "an id that is a list": (b'{"id":[1],"label":1}', "id_type"), "an empty id": (b'{"id":"","label":1}', "id_empty"),
    "a long id": (b'{"id":"%s","label":1}' % (b"i" * 257), "id_too_long"),
    "an id with NUL": (b'{"id":"a\\u0000","label":1}', "id_control_characters"),
    "a lone surrogate for id": (b'{"id":"\\udfff","label":1}', "id_surrogate"),
    "no label": (b'{"id":"p"}', "label_missing"), "another name": (b'{"id":"p","lable":1}', "label_missing"),
    "NaN": (b'{"id":"p","label":NaN}', "label_invalid"), "1e400": (b'{"id":"p","label":1e400}', "label_invalid"),
    "-Infinity": (b'{"id":"p","label":-Infinity}', "label_invalid"),
    "a list": (b'{"id":"p","label":[1]}', "label_invalid"), "an object": (b'{"id":"p","label":{}}', "label_invalid"),
    "ts = 1e17": (b'{"id":"p","label":1,"timestamp":100000000000000000}', "timestamp_unreadable"),
    "ts of 1850": (b'{"id":"p","label":1,"timestamp":"1850-01-01"}', "timestamp_out_of_range"),
    "the future": (b'{"id":"p","label":1,"timestamp":%d}' % (NOW + HOUR), "future"),
}  # fmt: skip
OF_NUMBERS = {
    "text": (b'{"id":"p","label":"one"}', "label_invalid"),
    "a numeric text": (b'{"id":"p","label":"1"}', "label_invalid"),
    "a boolean": (b'{"id":"p","label":true}', "label_invalid"),
    "5,000 digits": (b'{"id":"p","label":%s}' % (b"9" * 5_000), "label_invalid"),
}  # fmt: skip
OF_CLASSES = {
    "a lone surrogate": (b'{"id":"p","label":"\\ud800"}', "label_invalid"),
}  # fmt: skip


def check_poison(door, record, code):
    records = [b'{"id":"r%03d","label":%d}' % (i, i % 2) for i in range(500)]
    records[250] = record
    answer = door.label(b'{"records":[' + b",".join(records) + b"]}")
    assert (answer.status_code, answer.json()["stored"], answer.json()["quarantined"]) == (200, 499, 1), answer.text
    assert [(e["index"], e["code"]) for e in answer.json()["errors"]] == [(250, code)]
    assert (door.labels_counted("stored"), door.labels_counted("quarantined")) == (499, 1)
    assert len(door.labelled()) == 499
    kept = door.labels_quarantined()
    assert [(q.code, q.position) for q in kept] == [(code, 250)]
    again = door.service.replay_labels("m").to_json()
    assert (again["stored"], again["quarantined"], again["errors"][0]["code"]) == (0, 1, code)
    assert [(q.code, q.position, q.raw) for q in door.labels_quarantined()] == [(code, 250, kept[0].raw)]


@pytest.mark.parametrize("fault", POISON | OF_CLASSES)
def test_a_poison_label_among_500_is_kept_aside_and_the_499_are_stored(binary, fault):
    check_poison(binary, *(POISON | OF_CLASSES)[fault])


@pytest.mark.parametrize("fault", POISON | OF_NUMBERS)
def test_a_poison_label_of_a_regression_is_kept_aside_and_the_others_are_stored(regression, fault):
    check_poison(regression, *(POISON | OF_NUMBERS)[fault])


def test_the_same_faults_in_a_table_are_kept_aside_by_their_rows(regression):
    answer = regression.label(b"id,label\na,1\n,2\nb,x\nc,nan\nd,2,3\ne,\n", CSV).json()
    assert (answer["stored"], answer["quarantined"]) == (2, 4)
    expected = [(1, "id_missing"), (2, "label_invalid"), (3, "label_invalid"), (4, "malformed")]
    assert [(e["index"], e["code"]) for e in answer["errors"]] == expected
    assert [q.code for q in regression.labels_quarantined()] == [code for _, code in expected]
    table = pa.table({"id": ["a", None], "label": [float("nan"), 1.0]})
    assert [e["code"] for e in regression.label(as_arrow(table), ARROW).json()["errors"]] == [
        "label_invalid",
        "id_missing",
    ]


def test_a_line_that_is_no_json_costs_only_itself(binary):
    deep = b'{"id":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    answer = binary.label(b'{"id":"a","label":1}\n' + deep + b'\n{"id":"b","label":0}\n', NDJSON)
    assert (answer.json()["stored"], [e["code"] for e in answer.json()["errors"]]) == (2, ["malformed"])


BODIES = {
    "no JSON": (b"{", JSON, 400), "no line of JSON": (b"a\nb", NDJSON, 400), "empty": (b"", JSON, 400),
    "no records": (b'{"records":[]}', JSON, 422), "something else": (b'{"labels":[]}', JSON, 422),
    "a bottomless body": (b'{"records":' + b"[" * 200_000, JSON, 400), "truncated": (b"PAR1", PARQUET, 400),
    "no stream": (b"x" * 100, ARROW, 400), "a header alone": (b"id,label\n", CSV, 422), "no CSV": (b"", CSV, 422),
    "twice the label": (b"id,label,label\na,1,2\n", CSV, 422), "no label column": (b"id,lable\na,1\n", CSV, 422),
    "no id column": (b"label\n1\n", CSV, 422), "another type": (b"{}", "text/plain", 415),
}  # fmt: skip


@pytest.mark.parametrize("fault", BODIES)
def test_a_body_that_cannot_be_used_is_refused_in_words_and_stores_nothing(binary, fault):
    body, media_type, status = BODIES[fault]
    answer = binary.label(body, media_type)
    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True), answer.text
    assert (binary.labelled(), binary.labels_quarantined()) == ([], [])
    assert binary.labels_counted("rejected") == 1


TEXTS = {
    "NUL": "a\x00b", "a bidirectional override": "\u202eabc", "a 1 MB string": "x" * 10**6, "an emoji": "\U0001f600",
    "control characters": "\x01\x1f\x7f", "markup": "<script>{{7*7}}</script>", "SQL": "'; DROP TABLE model; --",
    "30 digits": 123456789012345678901234567890,
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_a_class_and_is_kept_as_it_is(binary, text):
    assert binary.label([{"id": "a", "label": TEXTS[text]}]).json()["stored"] == 1
    assert binary.labels_by_id("a") == {"a": str(TEXTS[text])}


def test_a_bomb_of_labels_is_refused_before_it_is_read(binary):
    assert binary.label(gzip.compress(bytes(65 << 20)), content_encoding="gzip").status_code == 413
    assert binary.labelled() == []


def test_a_truncated_or_unknown_encoding_is_refused(binary):
    body = gzip.compress(as_json(LABELS))
    assert binary.label(body[:-9], content_encoding="gzip").status_code == 400
    assert binary.label(body, content_encoding="br").status_code == 415


def test_parameters_of_the_query_name_the_fields_in_tables_and_in_json(binary):
    query = "?id=order&label=returned&timestamp=at"
    at = NOW - HOUR
    binary.label(f"order,at,returned,price\no1,{at},yes,3\n".encode(), CSV, query=query)
    binary.label([{"order": "o2", "at": at, "returned": "no", "price": 4}], query=query)
    assert binary.labels_by_id("o1", "o2") == {"o1": "yes", "o2": "no"}
    assert [row["timestamp"] for row in binary.labelled()] == [at, at]
    for wrong in ("?score=p", "?lable=x", "?id=label", "?id=a&id=b", "?dry_run=maybe"):
        assert binary.label(LABELS, query=wrong).status_code == 422, wrong
    assert "did you mean 'order'" in binary.label(b"order,x\n1,2\n", CSV, query="?id=ordr").json()["detail"]


@pytest.mark.parametrize("name", ['the "id"', "a\\b", "a\tb"])
@pytest.mark.parametrize("media_type", [JSON, NDJSON, CSV])
def test_fields_of_labels_may_have_any_name(binary, name, media_type):
    text = {
        JSON: json.dumps({"records": [{name: "a", "label": "yes"}]}), NDJSON: json.dumps({name: "a", "label": "yes"}),
        CSV: 'label,"{}"\nyes,a\n'.format(name.replace('"', '""')),
    }  # fmt: skip
    answer = binary.label(text[media_type], media_type, query=f"?id={quote(name)}")
    assert (answer.status_code, binary.labels_by_id("a")) == (200, {"a": "yes"}), answer.text


def test_of_two_labels_the_later_stands_behind_the_earlier_within_a_request_and_between_them(binary):
    binary.label([{"id": "a", "label": 1}, {"id": "a", "label": 0}])
    assert binary.labels_by_id("a") == {"a": "0"}
    binary.label([{"id": "a", "label": None}])
    assert binary.labels_by_id("a") == {"a": None}


def test_labels_need_a_model_that_exists_and_has_a_task(opened):
    door = opened(auto_create=True)
    refused = door.label(LABELS)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_task")
    assert "PUT /api/v1/models/m" in refused.json()["detail"]
    assert door.label(LABELS, model="nobody").status_code == 404
    assert door.labelled() == []


def test_strict_handling_refuses_all_for_one(binary):
    answer = binary.label([*LABELS, {"id": "x"}], prefer="handling=strict")
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["index"]) == (422, "strict", 6)
    assert (binary.labelled(), binary.labels_quarantined()) == ([], [])
    assert binary.labels_counted("rejected") == 7


def test_a_dry_run_answers_and_stores_nothing(binary):
    answer = binary.label([*LABELS, {"id": "x"}], query="?dry_run=true", idempotency_key="k").json()
    assert (answer["stored"], answer["quarantined"]) == (6, 1)
    assert (binary.labelled(), binary.labels_quarantined(), binary.labels_counted("stored")) == ([], [], 0)
    assert binary.label(LABELS, idempotency_key="k").json()["stored"] == 6


def test_the_same_key_gives_the_first_answer_and_stores_once(binary):
    first = binary.label(LABELS, idempotency_key="k")
    again = binary.label(LABELS, idempotency_key="k")
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert binary.label(LABELS[:1], idempotency_key="k").json()["code"] == "key_reused"
    assert len(binary.labelled()) == 6
    counts = {r: binary.labels_counted(r) for r in ("stored", "quarantined", "duplicate", "rejected")}
    assert counts == {"stored": 6, "quarantined": 0, "duplicate": 6, "rejected": 1}


def test_a_key_of_labels_is_none_of_predictions(binary):
    record = {"id": "a", "features": {"age": 1}}
    assert binary.post([record], idempotency_key="k").status_code == 200
    assert "idempotency-replayed" not in binary.label(LABELS, idempotency_key="k").headers
    assert "idempotency-replayed" in binary.post([record], idempotency_key="k").headers


def test_many_at_once_ride_with_predictions_and_all_are_stored(binary):
    async def together():
        sends = [
            binary.send(
                [{"id": f"r{i}", "label": i % 2}], path="/models/m", route="labels", idempotency_key=f"k{i // 2}"
            )
            for i in range(0, 40, 2)
        ]
        sends += [binary.send([{"id": f"r{i}", "features": {"age": i}}]) for i in range(20)]
        return await asyncio.gather(*sends)

    assert [a.status_code for a in binary.runner.run(together())] == [200] * 40
    assert (len(binary.labelled()), len(binary.stored())) == (20, 20)


def test_a_label_is_acknowledged_only_with_its_commit(binary, monkeypatch):
    def broken(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(stored.labels, "insert_labels", broken)
    answer = binary.label(LABELS, idempotency_key="k")
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    monkeypatch.undo()
    assert binary.labelled() == []
    assert binary.label(LABELS, idempotency_key="k").json()["stored"] == 6


def test_limits_and_the_budget_hold_for_labels(opened):
    door = opened(
        task="binary_classification", limits=Limits(max_records=5, max_body_bytes=10_000, max_inflight_bytes=50_000)
    )
    assert door.label(LABELS).status_code == 413
    assert door.labels_counted("rejected") == 6
    assert door.label([{"id": "x" * 20_000, "label": 1}]).status_code == 413
    with door.service.receiver.budget.lease(50_000):
        answer = door.label(LABELS[:1])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert door.label(LABELS[:5]).status_code == 200


def test_labels_of_a_model_that_is_deleted_meanwhile_are_not_acknowledged(binary):
    binary.label(LABELS)
    with binary.store.write() as conn:
        models.delete_model(conn, name="m")
    assert binary.label(LABELS).status_code == 404  # from memory the model is still there


def fold(door, *ids, window_us, version="1"):
    """What a fold leaves of records: their keys in a run of the window."""
    keys = sorted(door.keys(*ids))
    payload = b"".join(key.to_bytes(8, "little") for key in keys)
    with door.store.write() as conn:
        add_run(conn, version_id=door.version_id(version), window_start_us=window_us,
                run=NewRun(level=0, keys=len(keys), payload=payload))  # fmt: skip


def test_a_label_matches_whose_record_is_folded_by_its_time_or_by_that_of_its_id(binary):
    timed, other = make_id(now_us=NOW - HOUR), make_id(now_us=NOW - HOUR)
    fold(binary, "a", "b", timed.upper(), window_us=NOW)
    fold(binary, timed, "far", window_us=NOW - HOUR)
    fold(binary, "second", window_us=NOW, version="2")
    answer = binary.label([
        {"id": "a", "label": 1, "timestamp": NOW + 5}, {"id": "a", "label": 0, "timestamp": NOW + 5},
        {"id": "b", "label": 1}, {"id": timed, "label": 1}, {"id": other, "label": 1},
        {"id": "far", "label": 1, "timestamp": NOW}, {"id": "second", "label": 1, "timestamp": "2026-03-01T12:00:00Z"},
    ]).json()  # fmt: skip
    assert (answer["stored"], answer["matched"], answer["waiting"]) == (7, 4, 3)


def test_the_look_for_matches_is_bounded(binary, monkeypatch):
    hours = [NOW - HOUR * i for i in range(20)]
    for number, hour in enumerate(hours):
        fold(binary, f"r{number}", window_us=hour)
    rows = [{"id": f"r{number}", "label": 1, "timestamp": hour} for number, hour in enumerate(hours)]
    assert binary.label(rows).json()["matched"] == 16
    monkeypatch.setattr(label_matches, "MAX_BYTES", 24)
    assert binary.label(rows).json()["matched"] == 3


def test_times_that_no_window_can_hold_are_no_error(binary):
    last = "ffffffff-ffff-7fff-bfff-ffffffffffff"
    answer = binary.label([{"id": last, "label": 1}, {"id": "00000000-0000-7000-8000-000000000000", "label": 1}])
    assert (answer.status_code, answer.json()["waiting"]) == (200, 2)


def test_a_quarantined_label_is_stored_by_a_replay_once_it_is_usable(binary):
    binary.label(f"key,was,when\na,yes,{NOW + HOUR}\nb,1.5,{NOW + HOUR}\n".encode(), CSV,
                 query="?id=key&label=was&timestamp=when")  # fmt: skip
    binary.label([{"id": "c", "label": 2, "timestamp": NOW + HOUR}])
    assert binary.service.replay_labels("m").to_json()["stored"] == 0
    binary.clock[0] = NOW + HOUR
    answer = binary.service.replay_labels("m").to_json()
    assert answer == {"stored": 3, "quarantined": 0, "matched": 0, "waiting": 3, "errors": []}
    assert binary.labels_by_id("a", "b", "c") == {"a": "yes", "b": "1.5", "c": "2"}
    assert (binary.labels_quarantined(), binary.service.replay_labels("m").to_json()["stored"]) == ([], 0)


def test_numbers_of_a_csv_file_are_numbers_again_when_they_are_replayed(regression):
    regression.label(f"id,label,timestamp\na,1.5,{NOW + HOUR}\nb,,{NOW + HOUR}\n".encode(), CSV)
    regression.clock[0] = NOW + HOUR
    assert regression.service.replay_labels("m").to_json()["stored"] == 2
    assert regression.labels_by_id("a", "b") == {"a": 1.5, "b": None}


def test_a_large_body_is_read_in_slices_in_its_order(binary):
    rows = [{"id": f"r{i}", "label": i % 3, "comment": "x" * 900} for i in range(2_500)]
    rows[1_700]["label"] = {}
    answer = binary.label(rows).json()
    assert (answer["stored"], answer["errors"][0]["index"]) == (2_499, 1_700)
    expected = {f"r{i}": str(i % 3) for i in range(2_500) if i != 1_700}
    assert binary.labels_by_id(*(f"r{i}" for i in range(2_500))) == expected


def test_every_version_of_the_model_is_looked_in_once_it_is_known(binary):
    binary.label([{"id": "a", "label": 1, "timestamp": NOW}])
    with binary.store.write() as conn:
        models.insert_version(conn, Version(model_id=binary.model_id(), name="3"))
    binary.service.invalidate()
    fold(binary, "a", window_us=NOW, version="3")
    assert binary.label([{"id": "a", "label": 1, "timestamp": NOW}]).json()["matched"] == 1
