"""The counts that sums of windows are made of, and who is to be judged again when they change."""

import pytest

from monitor.store import windows
from monitor.store.judged_counts import (
    JudgedCounts,
    forget_judged_counts,
    is_stale,
    judged_counts,
    mark_stale,
    put_judged_counts,
)
from monitor.store.windows import WindowRow


def counts(version_id, start_us, payload=b"c", *, layout_id=1, reference_id=2, segment=""):
    return JudgedCounts(
        version_id=version_id, window_start_us=start_us, layout_id=layout_id, reference_id=reference_id,
        payload=payload, segment=segment,
    )  # fmt: skip


@pytest.fixture
def three(store, version_id):
    """Three judged windows, and a gap after them."""
    with store.write() as conn:
        for start, state in ((0, "closed"), (10, "revised"), (20, "closed"), (30, "gap")):
            put_judged_counts(conn, counts(version_id, start))
            windows.upsert_window(
                conn,
                WindowRow(version_id=version_id, start_us=start, end_us=start + 10, state=state, dirty=False),
            )
    return version_id


def listed(conn, version_id, **which):
    asked = {"layout_id": 1, "reference_id": 2, "from_us": 0, "to_us": 100} | which
    return judged_counts(conn, version_id=version_id, **asked)


def test_counts_are_listed_oldest_first_in_a_half_open_range_and_in_their_own_cells_only(store, three):
    with store.write() as conn:
        put_judged_counts(conn, counts(three, 20, b"other", layout_id=7))
        put_judged_counts(conn, counts(three, 30, b"", reference_id=9))
        assert listed(conn, three) == [(0, b"c"), (10, b"c")]
        assert listed(conn, three, from_us=10, to_us=20) == [(10, b"c")]
        assert listed(conn, three, layout_id=7) == [(20, b"other")]
        assert listed(conn, three, reference_id=9) == [(30, b"")]


def test_it_is_said_whether_a_windows_counts_are_others_than_before(store, version_id):
    with store.write() as conn:
        assert put_judged_counts(conn, counts(version_id, 0))
        assert not put_judged_counts(conn, counts(version_id, 0))
        assert put_judged_counts(conn, counts(version_id, 0, b"more"))
        assert put_judged_counts(conn, counts(version_id, 0, b"more", layout_id=3))
        assert put_judged_counts(conn, counts(version_id, 0, b"", layout_id=3))


def test_judged_windows_after_one_that_changed_are_to_be_judged_again_and_no_others(store, three):
    with store.write() as conn:
        assert mark_stale(conn, counts(three, 0), to_us=100) == 2
        dirty = [w.start_us for w in windows.list_windows(conn, version_id=three) if w.dirty]
        assert dirty == [10, 20]
        assert [is_stale(conn, version_id=three, start_us=start) for start in (0, 10, 20)] == [False, True, True]


def test_those_judged_in_other_cells_or_by_another_reference_stay_as_they_are(store, three):
    with store.write() as conn:
        put_judged_counts(conn, counts(three, 10, layout_id=7))
        put_judged_counts(conn, counts(three, 20, reference_id=9))
        assert mark_stale(conn, counts(three, 0), to_us=100) == 0
        assert [w.start_us for w in windows.list_windows(conn, version_id=three) if w.dirty] == []


def test_they_are_marked_as_far_as_a_look_reaches(store, three):
    with store.write() as conn:
        assert mark_stale(conn, counts(three, 0), to_us=20) == 1
        assert not is_stale(conn, version_id=three, start_us=20)


def test_a_window_judged_again_is_stale_no_longer_though_its_own_counts_are_the_same(store, three):
    with store.write() as conn:
        mark_stale(conn, counts(three, 0), to_us=100)
        assert not put_judged_counts(conn, counts(three, 10))
        assert not is_stale(conn, version_id=three, start_us=10)
        assert is_stale(conn, version_id=three, start_us=20)


def test_a_window_that_nothing_is_kept_of_is_not_stale(store, version_id):
    with store.read() as conn:
        assert not is_stale(conn, version_id=version_id, start_us=0)


def test_counts_of_a_segment_are_its_own(store, three):
    with store.write() as conn:
        put_judged_counts(conn, counts(three, 10, b"eu", segment="eu"))
        put_judged_counts(conn, counts(three, 20, b"eu", segment="eu"))
        assert listed(conn, three, segment="eu") == [(10, b"eu"), (20, b"eu")]
        assert listed(conn, three) == [(0, b"c"), (10, b"c"), (20, b"c"), (30, b"c")]
        assert mark_stale(conn, counts(three, 10, b"more", segment="eu"), to_us=100) == 1
        stale = [(s, start) for s in ("", "eu") for start in (10, 20) if is_stale_of(conn, three, start, s)]
        assert stale == [("eu", 20)]
        forget_judged_counts(conn, version_id=three, start_us=10, segment="eu")
        assert listed(conn, three, segment="eu") == [(20, b"eu")]
        assert len(listed(conn, three)) == 4


def is_stale_of(conn, version_id, start_us, segment):
    return is_stale(conn, version_id=version_id, start_us=start_us, segment=segment)
