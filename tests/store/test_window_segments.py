"""What is stored of one window's segments, on both databases."""

from __future__ import annotations

import pytest

from monitor.model.entities import Model, Version
from monitor.store.models import insert_model, insert_version
from monitor.store.profiles import StoredProfile, put_profiles
from monitor.store.results import StoredResult, list_results, pack_rows, put_results
from monitor.store.window_segments import (
    forget_other_results,
    profiles_of_window,
    results_of_window,
    statuses_of_window,
)

EU, ODD = "region=EU", 'region=O\'Brien %_"x" \u65e5'


@pytest.fixture
def version(store):
    with store.write() as conn:
        model = insert_model(conn, Model(name="m"))
        return insert_version(conn, Version(model_id=model.id, name="1")).id


def profile(version, start_us, segment):
    return StoredProfile(
        version_id=version, window_start_us=start_us, segment=segment, layout_id=3, payload=segment.encode(), rows=5
    )


def result(version, start_us, segment, status="ok"):
    return StoredResult(
        version_id=version, window_start_us=start_us, window_end_us=start_us + 1, segment=segment, revision=1,
        reference_number=1, status=status, rows=5, reference_rows=9, computed_us=7, payload=pack_rows([]),
    )  # fmt: skip


def test_profiles_are_those_of_the_window_and_the_segments_asked_for(store, version):
    kept = [profile(version, start, segment) for start in (0, 10) for segment in ("", EU, ODD)]
    with store.write() as conn:
        put_profiles(conn, kept)
        found = profiles_of_window(conn, version_id=version, start_us=10, segments=["", ODD, "region=none"])
        assert profiles_of_window(conn, version_id=version, start_us=20, segments=["", EU]) == {}
    assert found == {"": kept[3], ODD: kept[5]}


def test_results_are_those_of_the_window_and_of_gone_segments_they_are_forgotten(store, version):
    kept = [result(version, 0, ""), result(version, 0, EU, status="alert"), result(version, 10, ODD)]
    with store.write() as conn:
        put_results(conn, kept)
        assert results_of_window(conn, version_id=version, start_us=0) == {"": kept[0], EU: kept[1]}
        assert statuses_of_window(conn, version_id=version, start_us=0) == {"": "ok", EU: "alert"}
        assert forget_other_results(conn, version_id=version, start_us=0, kept=["", ODD]) == 1
        assert [one.segment for one in list_results(conn, version_id=version)] == [ODD, ""]
