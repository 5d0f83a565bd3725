"""What is forgotten of segments, and what stays."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.model.entities import LegalHold
from monitor.store import baselines, calibrations, cuts, holds, profiles, tables, windows
from monitor.store.judged_counts import JudgedCounts, put_judged_counts
from monitor.store.profiles import StoredProfile
from monitor.store.windows import WindowRow

SEGMENTS = ("", "eu", "us", "*%")


def fill(conn, version_id):
    for start in (0, 10):
        windows.upsert_window(
            conn, WindowRow(version_id=version_id, start_us=start, end_us=start + 10, segmentation="c")
        )
        for segment in SEGMENTS:
            here = {"version_id": version_id, "window_start_us": start, "segment": segment, "layout_id": 1}
            profiles.put_profiles(conn, [StoredProfile(**here, payload=b"p", rows=1)])
            put_judged_counts(conn, JudgedCounts(**here, reference_id=7, payload=b"j"))
    for segment in SEGMENTS:
        for reference_id in (7, 8):
            of = {"version_id": version_id, "reference_id": reference_id, "segment": segment, "made_us": 1}
            calibrations.save_calibration(conn, **of, payload=b"c")
            baselines.save_baseline_calibration(conn, **of, baseline="previous", payload=b"b")


def left(conn, table, version_id):
    """(segment, rows) that the version has in the table."""
    query = sa.select(table.c.segment, sa.func.count()).where(table.c.version_id == version_id)
    return dict(conn.execute(query.group_by(table.c.segment)).all())


ALL = dict.fromkeys(SEGMENTS, 2)


def test_named_segments_are_forgotten_in_every_window_of_the_version_and_never_all_traffic(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        fill(conn, version_id)
        fill(conn, other)
        cuts.forget_segments(conn, version_id=version_id, segments=["eu", "", "*%", "asia"])
        for table in (tables.profile, tables.judged_counts):
            assert left(conn, table, version_id) == {"": 2, "us": 2}
            assert left(conn, table, other) == ALL
        assert left(conn, tables.calibration, version_id) == ALL


def test_what_a_name_stood_for_is_removed_in_steps_and_its_windows_are_to_be_cut_again(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        fill(conn, version_id)
        fill(conn, other)
        asked = {"version_id": version_id, "segments": ["eu", "", "us"]}
        assert cuts.forget_some_of(conn, **asked, limit=1) == 1
        cut = [w.segmentation for w in windows.list_windows(conn, version_id=version_id)]
        assert sorted(map(str, cut)) == ["None", "c"]
        assert [cuts.forget_some_of(conn, **asked, limit=2) for _ in range(3)] == [2, 1, 0]
        assert left(conn, tables.profile, version_id) == {"": 2, "*%": 2}
        assert [w.segmentation for w in windows.list_windows(conn, version_id=version_id)] == [None, None]
        assert left(conn, tables.profile, other) == ALL
        assert [w.segmentation for w in windows.list_windows(conn, version_id=other)] == ["c", "c"]


def test_segments_that_are_gone_are_removed_in_steps(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        fill(conn, version_id)
        fill(conn, other)
    steps = []
    while not steps or steps[-1]:
        with store.write() as conn:
            steps.append(cuts.forget_other_segments(conn, version_id=version_id, kept=["us"], limit=3))
    assert steps == [3, 1, 3, 1, 0]
    with store.read() as conn:
        for table in (tables.profile, tables.judged_counts):
            assert left(conn, table, version_id) == {"": 2, "us": 2}
            assert left(conn, table, other) == ALL


def test_what_other_segments_taught_is_forgotten_for_that_reference_only(store, version_id):
    with store.write() as conn:
        fill(conn, version_id)
        cuts.forget_lessons(conn, version_id=version_id, reference_id=7, kept=["", "eu"])
        for table in (tables.calibration, tables.baseline_calibration):
            assert left(conn, table, version_id) == {"": 2, "eu": 2, "us": 1, "*%": 1}


def test_windows_forget_what_they_were_cut_by(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        fill(conn, version_id)
        fill(conn, other)
        cuts.uncut_windows(conn, version_id=version_id)
        found = [[w.segmentation for w in windows.list_windows(conn, version_id=id)] for id in (version_id, other)]
        assert found == [[None, None], ["c", "c"]]


def fill_merged(conn, version_id, sizes):
    """A merged profile of "eu" of each of these sizes, each of its own span."""
    rows = [
        {"version_id": version_id, "segment": "eu", "start_us": 10 * n, "end_us": 10 * n + 10, "layout_id": 1,
         "windows": 1, "rows": 1, "last_received_us": 1, "payload": bytes(size)}
        for n, size in enumerate(sizes)
    ]  # fmt: skip
    conn.execute(sa.insert(tables.merged_profile), rows)


MIB = 2**20
SIZES = (3 * MIB, 3 * MIB, 3 * MIB, 9 * MIB, 1)  # a step removes 8 MiB, or one that has more


def in_transactions(store, step):
    """What each call says, each in a transaction of its own, until it says 0."""
    said = []
    while not said or said[-1]:
        with store.write() as conn:
            said.append(step(conn))
    return said


def test_merged_profiles_are_removed_by_their_bytes(store, make_version):
    one, two = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        for version_id in (one, two):
            fill_merged(conn, version_id, SIZES)
    assert in_transactions(store, lambda c: cuts.forget_other_segments(c, version_id=one, kept=[])) == [2, 1, 1, 1, 0]
    of_eu = {"version_id": two, "segments": ["eu", ""]}
    assert in_transactions(store, lambda c: cuts.forget_some_merged(c, **of_eu)) == [2, 1, 1, 1, 0]
    with store.read() as conn:
        assert [left(conn, tables.merged_profile, id) for id in (one, two)] == [{}, {}]


def test_under_a_hold_they_are_set_aside_by_their_bytes_and_all_of_them_stay(store, make_version):
    made = make_version(version="1")
    version_id, of_eu = made.version.id, {"version_id": made.version.id, "segments": ["eu", ""]}
    with store.write() as conn:
        fill_merged(conn, version_id, SIZES)
        holds.put_hold(conn, model_id=made.model.id, hold=LegalHold(reason="case", since_us=1, by="me"))
    assert in_transactions(store, lambda c: cuts.forget_other_segments(c, version_id=version_id, kept=[])) == [0]
    assert in_transactions(store, lambda c: cuts.forget_some_merged(c, **of_eu)) == [2, 1, 1, 1, 0]
    with store.write() as conn:
        fill_merged(conn, version_id, SIZES)  # the same name and spans again
        cuts.forget_segments(conn, version_id=version_id, segments=["eu"])
        found = left(conn, tables.merged_profile, version_id)
        assert sum(found.values()) == 2 * len(SIZES)
        assert [name for name in found if not name.startswith("#")] == []
        holds.end_hold(conn, model_id=made.model.id)
    assert (
        sum(in_transactions(store, lambda c: cuts.forget_other_segments(c, version_id=version_id, kept=["eu"]))) == 10
    )
    with store.read() as conn:
        assert left(conn, tables.merged_profile, version_id) == {}
