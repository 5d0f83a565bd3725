"""UUIDs of version 7, held to the standard library's reading of them."""

from __future__ import annotations

import json
import uuid

import pytest

from monitor.ingest.uuid7 import json_list, make_id, make_ids

NOW = 1_772_366_400_123_456


@pytest.mark.parametrize("made", [make_ids(200, now_us=NOW).to_pylist(), [make_id(now_us=NOW) for _ in range(200)]])
def test_ids_are_version_7_of_their_instant_and_all_different(made):
    read = [uuid.UUID(text) for text in made]
    assert [str(u) for u in read] == made
    assert {u.version for u in read} == {7}
    assert {u.variant for u in read} == {uuid.RFC_4122}
    assert {u.int >> 80 for u in read} == {NOW // 1_000}
    assert len(set(made)) == 200


def test_every_random_digit_varies():
    for made in (make_ids(500, now_us=NOW).to_pylist(), [make_id(now_us=NOW) for _ in range(500)]):
        varied = [i for i in range(36) if len({text[i] for text in made}) > 1]
        assert varied == [*range(15, 18), *range(19, 23), *range(24, 36)]


def test_a_list_of_ids_is_its_json():
    ids = make_ids(5, now_us=NOW)
    assert json.loads(json_list(ids)) == ids.to_pylist()
    assert json.loads(json_list(ids.slice(2, 2))) == ids.to_pylist()[2:4]
    assert json_list(ids.slice(0, 0)) == b"[]"
