from dataclasses import replace

from monitor.store import calibrations, profiles, windows
from monitor.store.profiles import StoredProfile
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
