"""The segments that references are cut by, as they are kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from monitor.model.entities import Reference
from monitor.store import references, tables
from monitor.store.reference_segments import (
    SegmentSide,
    StoredSegment,
    cut_of,
    put_reference_segments,
    reference_segment,
    reference_segments,
    segmentation_of,
)


@pytest.fixture
def reference_ids(store, version_id):
    with store.write() as conn:
        return [references.begin_reference(conn, Reference(version_id=version_id, digest=digest)).id for digest in "ab"]


def side(segment, position, **fields):
    given = {"shape": {"by": "ünï", "value": "\ud800"}, "layout_id": 4, "profile": b"\0p", "history": b"\0h"} | fields
    return SegmentSide(segment=segment, position=position, **given)


def test_sides_come_back_in_their_order_and_the_list_without_their_blobs(store, reference_ids):
    sides = [side("z", 0), side("a", 1, shape={"by": "x", "other": ["1"]}, layout_id=5, profile=b"q")]
    with store.write() as conn:
        put_reference_segments(conn, reference_id=reference_ids[0], sides=sides[::-1], segmentation="d1", cut="c1")
    with store.read() as conn:
        assert reference_segments(conn, reference_id=reference_ids[0]) == [
            StoredSegment(segment=s.segment, shape=s.shape, layout_id=s.layout_id) for s in sides
        ]
        assert [reference_segment(conn, reference_id=reference_ids[0], segment=s) for s in "za"] == sides
        assert reference_segment(conn, reference_id=reference_ids[0], segment="b") is None
        assert segmentation_of(conn, reference_id=reference_ids[0]) == "d1"
        assert cut_of(conn, reference_id=reference_ids[0]) == "c1"


def test_all_sides_are_replaced_at_once_and_of_that_reference_only(store, reference_ids):
    first, second = reference_ids
    with store.write() as conn:
        for id in reference_ids:
            put_reference_segments(
                conn, reference_id=id, sides=[side("a", 0), side("b", 1)], segmentation="d1", cut="c1"
            )
        put_reference_segments(
            conn, reference_id=first, sides=[side("b", 0, profile=b"new")], segmentation="d2", cut="c2"
        )
        assert [s.segment for s in reference_segments(conn, reference_id=first)] == ["b"]
        assert reference_segment(conn, reference_id=first, segment="b").profile == b"new"
        assert [segmentation_of(conn, reference_id=id) for id in reference_ids] == ["d2", "d1"]
        assert [cut_of(conn, reference_id=id) for id in reference_ids] == ["c2", "c1"]
        assert [s.segment for s in reference_segments(conn, reference_id=second)] == ["a", "b"]


def test_a_reference_that_nothing_cuts_has_no_row(store, reference_ids):
    with store.write() as conn:
        for id in reference_ids:
            put_reference_segments(conn, reference_id=id, sides=[side("a", 0)], segmentation="d1", cut="c1")
            put_reference_segments(conn, reference_id=id, sides=[], segmentation="", cut=None)
            assert (reference_segments(conn, reference_id=id), segmentation_of(conn, reference_id=id)) == ([], "")
        for table in (tables.reference_segment, tables.reference_segmentation):
            assert conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0


def test_segments_that_no_row_of_the_reference_made_are_remembered_as_wanted(store, reference_ids):
    with store.write() as conn:
        put_reference_segments(conn, reference_id=reference_ids[0], sides=[], segmentation="d1", cut=None)
        assert segmentation_of(conn, reference_id=reference_ids[0]) == "d1"
        assert cut_of(conn, reference_id=reference_ids[0]) is None
