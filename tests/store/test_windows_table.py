from dataclasses import replace

import pytest
import sqlalchemy as sa

from monitor.store import baselines, calibrations, profiles, results, windows
from monitor.store.profiles import StoredProfile
from monitor.store.results import StoredResult
from monitor.store.windows import WindowRow


def starts(rows):
    return [row.start_us for row in rows]


def fill(conn, version_id, count=5, **fields):
    windows.upsert_windows(
        conn, [WindowRow(version_id=version_id, start_us=n * 10, end_us=n * 10 + 10, **fields) for n in range(count)]
    )


def test_a_window_comes_back_as_it_was_stored_and_is_replaced_whole(store, version_id):
    row = WindowRow(
        version_id=version_id, start_us=-10, end_us=0, state="gap", rows=5, deduplicated=1, late_rows=2, watermark_us=3,
        first_received_us=4, last_received_us=9, revision=7, dirty=False, reference_number=2, reason="failed",
        computed_us=11,
    )  # fmt: skip
    with store.write() as conn:
        windows.upsert_window(conn, row)
        assert windows.get_window(conn, version_id=version_id, start_us=-10) == row
        newer = WindowRow(version_id=version_id, start_us=-10, end_us=0)
        windows.upsert_window(conn, newer)
        assert windows.list_windows(conn, version_id=version_id) == [newer]
        assert windows.get_window(conn, version_id=version_id, start_us=0) is None


def test_windows_are_listed_by_start_in_a_half_open_range_and_in_pages(store, version_id):
    with store.write() as conn:
        fill(conn, version_id)
        assert starts(windows.list_windows(conn, version_id=version_id)) == [0, 10, 20, 30, 40]
        assert starts(windows.list_windows(conn, version_id=version_id, from_us=10, to_us=30)) == [10, 20]
        assert starts(windows.list_windows(conn, version_id=version_id, after=10, limit=2)) == [20, 30]


def test_dirty_windows_are_due_once_their_end_and_lateness_have_passed(store, make_version):
    version_id, clean = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        fill(conn, version_id, dirty=True)
        fill(conn, clean, dirty=False)
        assert starts(windows.dirty_closed(conn, version_id=version_id, closed_before_us=29)) == [0, 10]
        assert starts(windows.dirty_closed(conn, version_id=version_id, closed_before_us=30)) == [0, 10, 20]
        assert starts(windows.dirty_closed(conn, version_id=version_id, closed_before_us=99, limit=1)) == [0]
        assert windows.dirty_closed(conn, version_id=clean, closed_before_us=99) == []
        assert windows.dirty_versions(conn) == [(version_id, 10)]


def test_marking_dirty_says_how_many_and_leaves_sealed_windows(store, version_id):
    with store.write() as conn:
        fill(conn, version_id, dirty=False)
        windows.upsert_window(
            conn, WindowRow(version_id=version_id, start_us=20, end_us=30, state="sealed", dirty=False)
        )
        assert windows.mark_dirty(conn, version_id=version_id, from_us=10, to_us=40) == 2
        assert starts(windows.dirty_closed(conn, version_id=version_id, closed_before_us=99)) == [10, 30]
        assert windows.mark_dirty(conn, version_id=version_id) == 4


def test_the_newest_judged_window_is_no_gap_and_no_open_one(store, version_id):
    states = [("closed", 1), ("revised", 1), ("gap", 1), ("closed", None), ("open", None)]
    with store.write() as conn:
        assert windows.newest_judged(conn, version_id=version_id) is None
        for n, (state, computed_us) in enumerate(states):
            row = WindowRow(version_id=version_id, start_us=n * 10, end_us=n * 10 + 10, state=state)
            windows.upsert_window(conn, replace(row, computed_us=computed_us))
        judged, newest = (
            windows.newest_judged(conn, version_id=version_id),
            windows.newest_window(conn, version_id=version_id),
        )
        assert judged is not None
        assert newest is not None
        assert (judged.start_us, newest.start_us) == (10, 40)


def profile(version_id, start_us, payload=b"p", segment="", layout_id=1):
    return StoredProfile(
        version_id=version_id, window_start_us=start_us, segment=segment, layout_id=layout_id, payload=payload
    )


def test_a_profile_is_kept_by_window_and_segment_and_replaced(store, version_id):
    with store.write() as conn:
        profiles.put_profiles(conn, [profile(version_id, 0), profile(version_id, 0, b"seg", "region=EU")])
        profiles.put_profiles(conn, [profile(version_id, 0, b"\0new", layout_id=2)])
        assert profiles.get_profile(conn, version_id=version_id, window_start_us=0) == (2, b"\0new")
        assert profiles.get_profile(conn, version_id=version_id, window_start_us=0, segment="region=EU") == (1, b"seg")
        assert profiles.get_profile(conn, version_id=version_id, window_start_us=1) is None


def test_profiles_of_a_range_are_listed_and_removed(store, version_id):
    with store.write() as conn:
        profiles.put_profiles(conn, [profile(version_id, n * 10, bytes([n])) for n in range(5)])
        profiles.put_profiles(conn, [profile(version_id, 20, b"s", "seg")])
        found = profiles.list_profiles(conn, version_id=version_id, from_us=10, to_us=40)
        assert [(p.window_start_us, p.payload) for p in found] == [(10, b"\1"), (20, b"\2"), (30, b"\3")]
        paged = profiles.list_profiles(conn, version_id=version_id, from_us=0, to_us=99, after=10, limit=2)
        assert [p.window_start_us for p in paged] == [20, 30]
        assert profiles.delete_profiles(conn, version_id=version_id, from_us=20, to_us=30) == 2
        assert profiles.delete_profiles(conn, version_id=version_id) == 4


def test_a_calibration_is_kept_for_each_reference(store, version_id):
    with store.write() as conn:
        for reference_id, payload in ((1, b"a"), (2, b"b"), (1, b"c")):
            calibrations.save_calibration(
                conn, version_id=version_id, reference_id=reference_id, made_us=reference_id, payload=payload
            )
        kept = [calibrations.get_calibration(conn, version_id=version_id, reference_id=n) for n in (1, 2, 3)]
        assert [(c.made_us, c.payload) if c else None for c in kept] == [(1, b"c"), (2, b"b"), None]


def test_a_calibration_is_kept_for_each_segment_and_forgotten_alone(store, version_id):
    of = {"version_id": version_id, "reference_id": 1}
    with store.write() as conn:
        for made_us, segment in enumerate(("", "eu", "us")):
            payload = segment.encode()
            calibrations.save_calibration(conn, **of, segment=segment, made_us=made_us, payload=payload)
            more = {"baseline": "previous", "segment": segment, "made_us": made_us, "payload": payload}
            baselines.save_baseline_calibration(conn, **of, **more)
        calibrations.delete_calibration(conn, **of, segment="eu")
        baselines.delete_baseline_calibrations(conn, **of, segment="eu")
        made = [calibrations.calibration_made_us(conn, **of, segment=s) for s in ("", "eu", "us")]
        assert made == [0, None, 2]
        kept = calibrations.get_calibration(conn, **of, segment="us")
        assert (kept.segment, kept.payload) == ("us", b"us")
        found = [baselines.baseline_calibrations_made_us(conn, **of, segment=s) for s in ("", "eu", "us")]
        assert found == [{"previous": 0}, {}, {"previous": 2}]
        assert baselines.get_baseline_calibration(conn, **of, baseline="previous", segment="us") == b"us"
        baselines.delete_baseline_calibrations(conn, **of, segment=None)
        assert [baselines.baseline_calibrations_made_us(conn, **of, segment=s) for s in ("", "us")] == [{}, {}]


def test_windows_of_a_segment_are_usable_by_its_own_rows_and_in_alert_by_either(store, version_id):
    def of(start_us, rows, segment="eu", layout_id=4):
        return StoredProfile(
            version_id=version_id, window_start_us=start_us, segment=segment, layout_id=layout_id,
            payload=b"p%d" % start_us, rows=rows,
        )  # fmt: skip

    def found(**which):
        asked = {"version_id": version_id, "layout_id": 4, "least_rows": 50, "to_us": 99} | which
        return [(w.start_us, w.rows, w.in_alert) for w in baselines.usable_windows(conn, **asked)]

    with store.write() as conn:
        fill(conn, version_id, rows=1000, dirty=False)
        profiles.put_profiles(conn, [of(n * 10, None, "") for n in range(5)])
        profiles.put_profiles(conn, [of(0, 49), of(10, 50), of(20, 60), of(30, 70), of(40, 80, layout_id=5)])
        profiles.put_profiles(conn, [of(0, 500, "us")])
        alerted = windows.get_window(conn, version_id=version_id, start_us=20)
        windows.upsert_window(conn, replace(alerted, in_alert=True))
        for start, segment, status in ((10, "us", "alert"), (20, "eu", "ok"), (30, "eu", "alert")):
            results.put_result(conn, StoredResult(
                version_id=version_id, window_start_us=start, window_end_us=start + 10, segment=segment, revision=1,
                reference_number=1, status=status, rows=1, reference_rows=1, computed_us=1, payload=b"",
            ))  # fmt: skip
        assert found(segment="eu") == [(10, 50, False), (20, 60, True), (30, 70, True)]
        assert found(segment="eu", starts_us=[30, 10, 0]) == [(10, 50, False), (30, 70, True)]
        assert found(segment="us") == [(0, 500, False)]
        assert found(segment="us", least_rows=501) == found(segment="asia") == []
        assert [(w[0], w[1]) for w in found()] == [(n * 10, 1000) for n in range(5)]
        at = {"version_id": version_id, "layout_id": 4, "starts_us": [10, 20, 40]}
        assert baselines.profiles_at(conn, **at, segment="eu") == [(10, b"p10"), (20, b"p20")]
        assert baselines.judged_rows(conn, version_id=version_id, start_us=30, segment="eu") == 1
        assert baselines.judged_rows(conn, version_id=version_id, start_us=30) is None


def test_the_windows_of_a_segment_are_found_without_reading_a_profile(version_id, store):
    """SQLite walks through a payload to what stands behind it: only its index may be asked."""
    if store.dialect != "sqlite":
        pytest.skip("PostgreSQL keeps payloads apart from their rows")
    asked = []
    with store.read() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        baselines.usable_windows(conn, version_id=version_id, layout_id=4, least_rows=1, to_us=9, segment="eu")
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0][0]}", asked[0][1]).all()
    assert any("profile USING COVERING INDEX ix_profile_segment" in step[3] for step in plan)
