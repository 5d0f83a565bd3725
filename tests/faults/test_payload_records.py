"""Records and values that are odd: stored, invalid, quarantined or refused as the contract says, and read back so."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter

import httpx
import pytest

from tests.faults.pair import CSV, JSON, NDJSON

AT = 1_700_000_000


def body(*records: object) -> bytes:
    return json.dumps({"records": records}).encode()


VALUES = {
    "NaN": (b"NaN", None), "Infinity": (b"Infinity", None), "-Infinity": (b"-Infinity", None),
    "1e400": (b"1e400", None), "5,000 digits": (b"9" * 5_000, None), "true": (b"true", None),
    "a numeric string": (b'"12"', None), "text": (b'"twelve"', None), "NUL": (b'"\\u0000"', None),
    "a lone surrogate": (b'"\\ud800"', None), "a bidirectional override": ('"\u202e21"'.encode(), None),
    "a 1 MB string": (b'"' + b"x" * 10**6 + b'"', None), "a list": (b"[1]", None),
    "30 digits": (b"123456789012345678901234567890", 1.2345678901234568e29), "-0.0": (b"-0.0", 0),
    "1e-400": (b"1e-400", 0),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_of_a_number_column_is_a_number_or_invalid(pair, value):
    pair.schema({"x": "numeric", "c": "categorical"})
    sent, read = VALUES[value]
    answer = pair.post(b'{"records":[{"id":"a","timestamp":%d,"x":%s,"c":"k"},{"id":"b","timestamp":%d,"x":2,"c":"k"}]}'
                       % (AT, sent, AT + 1))  # fmt: skip
    assert (answer.status, answer.json["stored"]) == (200, 2), answer.text
    assert answer.json["columns"]["invalid"] == ({"x": 1} if read is None else {})
    assert pair.counted() == {"stored": 2, "quarantined": 0, "duplicate": 0, "rejected": 0}
    first, second = pair.records()
    assert (first["id"], second["features"]) == ("a", {"x": 2, "c": "k"})
    if read is not None:
        assert first["features"]["x"] == read
    else:
        assert not isinstance(first["features"].get("x"), float)


TEXTS = {
    "NUL": "a\x00b", "a bidirectional override": "\u202eabc", "a 1 MB string": "x" * 10**6, "empty": "",
    "control characters": "\x01\x1f\x7f", "an emoji": "\U0001f600", "markup": "<script>{{7*7}}</script>",
    "SQL": "'; DROP TABLE model; --",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_is_a_category_and_comes_back_as_it_was(pair, text):
    pair.schema({"c": "categorical"})
    assert pair.post(body({"id": "a", "c": TEXTS[text]})).json["stored"] == 1
    assert pair.records()[0]["features"] == {"c": TEXTS[text]}


def test_a_lone_surrogate_is_no_category(pair):
    pair.schema({"c": "categorical", "d": "categorical"})
    answer = pair.post(b'{"records":[{"id":"a","c":"\\ud800","d":"k"}]}')
    assert (answer.status, answer.json["columns"]["invalid"]) == (200, {"c": 1})
    assert pair.records()[0]["features"]["d"] == "k"


def test_of_two_equal_keys_the_last_counts(pair):
    pair.schema({"x": "numeric"})
    assert pair.post(b'{"records":[{"id":"a","x":1,"x":2}]}').json["stored"] == 1
    assert pair.records()[0]["features"] == {"x": 2}


def ahead(seconds: float) -> int:
    return int((time.time() + seconds) * 1e6)


POISON = {
    "a number": (lambda: b"5", "not_an_object"),
    "null": (lambda: b"null", "not_an_object"),
    "ts = 0": (lambda: b'{"id":"p","timestamp":0,"x":1}', "timestamp_unreadable"),
    "ts of 18 digits": (lambda: b'{"id":"p","timestamp":100000000000000000,"x":1}', "timestamp_unreadable"),
    "ts of 1850": (lambda: b'{"id":"p","timestamp":"1850-01-01T00:00:00Z","x":1}', "timestamp_out_of_range"),
    "ts of next week": (lambda: b'{"id":"p","timestamp":%d,"x":1}' % ahead(7 * 86_400), "future"),
    "a long id": (lambda: b'{"id":"%s","x":1}' % (b"i" * 257), "id_too_long"),
    "an id with NUL": (lambda: b'{"id":"a\\u0000","x":1}', "id_control_characters"),
    "an id with a lone surrogate": (lambda: b'{"id":"\\udfff","x":1}', "id_surrogate"),
    "a column of 10,000 characters": (lambda: b'{"id":"p","%s":1}' % (b"n" * 10_000), "column_name"),
    "a column name with a surrogate": (lambda: b'{"id":"p","\\ud800":1}', "column_name"),
    "text for features": (lambda: b'{"id":"p","features":"x"}', "features"),
}  # fmt: skip


@pytest.mark.parametrize("fault", POISON)
def test_a_poison_record_among_500_is_kept_aside_and_the_499_are_stored(pair, fault):
    pair.schema({"x": "numeric"})
    made, code = POISON[fault]
    poison = made()
    records = [b'{"id":"r%03d","timestamp":%d,"x":%d}' % (i, AT + i, i) for i in range(500)]
    records[250] = poison
    answer = pair.post(b'{"records":[' + b",".join(records) + b"]}")
    assert (answer.status, answer.json["stored"], answer.json["quarantined"]) == (200, 499, 1), answer.text
    assert [(e["index"], e["code"]) for e in answer.json["errors"]] == [(250, code)]
    assert pair.counted() == {"stored": 499, "quarantined": 1, "duplicate": 0, "rejected": 0}
    assert [r["id"] for r in pair.records()] == [f"r{i:03}" for i in range(500) if i != 250]
    kept = pair.quarantined()
    assert [(q["code"], q["index"]) for q in kept] == [(code, 250)]
    again = pair.ask("POST", pair.version + "/quarantine/replay")
    assert (again.status, again.json["stored"], again.json["quarantined"]) == (200, 0, 1), again.text
    assert [q["code"] for q in pair.quarantined()] == [code]


def test_what_was_quarantined_is_stored_by_a_replay_once_it_is_usable(pair):
    pair.schema({"x": "numeric"})
    soon = ahead(601.5)  # just over ten minutes: too early by a moment
    assert pair.post(body({"id": "r", "timestamp": soon, "x": 1})).json["quarantined"] == 1
    time.sleep(1.7)
    again = pair.ask("POST", pair.version + "/quarantine/replay")
    assert (again.status, again.json["stored"], again.json["quarantined"]) == (200, 1, 0)
    assert [r["id"] for r in pair.records()] == ["r"]
    assert pair.quarantined() == []


def test_1e18_has_19_digits_and_is_nanoseconds_in_every_form(pair):
    for number, form in enumerate((b"1e18", b"1000000000000000000", b'"2001-09-09T01:46:40Z"')):
        assert pair.post(b'{"records":[{"id":"i%d","timestamp":%s,"x":1}]}' % (number, form)).json["stored"] == 1
    assert {r["timestamp"] for r in pair.records()} == {"2001-09-09T01:46:40Z"}


def test_late_and_slightly_early_records_are_stored(pair):
    answer = pair.post(body({"id": "late", "timestamp": AT, "x": 1}, {"id": "early", "timestamp": ahead(300), "x": 1}))
    assert (answer.json["stored"], answer.json["quarantined"]) == (2, 0)
    assert {r["id"] for r in pair.records()} == {"late", "early"}


def test_a_line_200_000_deep_costs_only_itself(pair):
    deep = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    answer = pair.post(b'{"id":"a","x":1}\n' + deep + b'\n{"id":"b","x":2}\n', NDJSON)
    assert (answer.json["stored"], answer.json["quarantined"]) == (2, 1)
    assert [e["code"] for e in answer.json["errors"]] == ["malformed"]


def test_a_ragged_row_costs_only_itself(pair):
    answer = pair.post(b"id,x\na,1\nb,2,3\nc,4\n", CSV)
    assert (answer.json["stored"], answer.json["quarantined"]) == (2, 1)
    assert {r["id"] for r in pair.records()} == {"a", "c"}


def test_the_same_key_50_times_at_once_stores_once_and_every_record_is_accounted_for(pair):
    for server in pair.servers:
        answers: list[httpx.Response] = []
        url = f"{server.service.url}{pair.version}/predictions"

        def send(url=url, answers=answers):
            with httpx.Client(timeout=90) as client:
                answers.append(client.post(url, content=body({"id": "a", "x": 1}), headers={
                    "Content-Type": JSON, "Idempotency-Key": "k"}))  # fmt: skip

        threads = [threading.Thread(target=send) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told = Counter((a.status_code, a.headers.get("idempotency-replayed")) for a in answers)
        assert told[200, None] == 1
        assert set(told) <= {(200, None), (200, "true"), (409, None)}
        assert all("retry-after" in a.headers for a in answers if a.status_code == 409)
        assert server.counted(pair.model) == {
            "stored": 1, "quarantined": 0, "duplicate": told[200, "true"], "rejected": told[409, None],
        }  # fmt: skip
    assert len(pair.records()) == 1


def test_a_key_gives_its_first_answer_and_another_body_is_422(pair):
    first = pair.post(body({"id": "a", "x": 1}), idempotency_key="k")
    again = pair.post(body({"id": "a", "x": 1}), idempotency_key="k")
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    other = pair.post(body({"id": "b", "x": 1}, {"id": "c", "x": 1}), idempotency_key="k")
    assert (other.status, other.json["code"]) == (422, "key_reused")
    assert pair.counted() == {"stored": 1, "quarantined": 0, "duplicate": 1, "rejected": 2}


def test_of_two_requests_with_a_key_at_once_the_first_whole_one_is_stored(pair):
    for server in pair.servers:
        begun, go_on = threading.Event(), threading.Event()
        slow: list[httpx.Response] = []
        url = f"{server.service.url}{pair.version}/predictions"
        headers = {"Content-Type": JSON, "Idempotency-Key": "f"}
        whole = body({"id": "a", "x": 1})

        def pieces(begun=begun, go_on=go_on, whole=whole):
            yield whole[:10]
            begun.set()
            go_on.wait(10)
            yield whole[10:]

        def send(url=url, headers=headers, slow=slow, pieces=pieces):
            slow.append(httpx.post(url, content=pieces(), headers=headers, timeout=90))

        thread = threading.Thread(target=send)
        thread.start()
        assert begun.wait(10)
        meanwhile = httpx.post(url, content=whole, headers=headers)
        go_on.set()
        thread.join()
        # a key is claimed once its body is whole, so whoever is whole first is stored and the other is a replay
        assert (meanwhile.status_code, slow[0].status_code) == (200, 200)
        assert slow[0].headers["idempotency-replayed"] == "true"
        assert slow[0].text == meanwhile.text


def test_the_same_id_twice_in_a_request_is_a_duplicate(pair):
    answer = pair.post(body(*[{"id": "a", "timestamp": AT, "x": i} for i in range(3)]))
    assert (answer.json["stored"], answer.json["duplicate"]) == (1, 2)
    assert pair.counted() == {"stored": 1, "quarantined": 0, "duplicate": 2, "rejected": 0}
    assert [r["features"] for r in pair.records()] == [{"x": 0}]
