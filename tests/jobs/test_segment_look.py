"""The look for references that are to be cut anew."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.jobs.segment_look import SegmentLook
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.store import models, schemas, versions
from monitor.store.cuts import maybe_cut_versions
from monitor.store.runs import list_open
from tests.evaluate.slicing import SEGMENTS, look, segmented, want


def test_a_version_is_asked_for_once_until_it_is_cut_and_then_no_more(store):
    world, looking = segmented(store, segments=[]), SegmentLook(store)
    assert looking.look(now_us=world.clock()) == 0
    want(world, SEGMENTS)
    assert [looking.look(now_us=world.clock()) for _ in range(2)] == [1, 1]
    with store.read() as conn:
        assert [run.subject for run in list_open(conn, jobs=["resegment"])] == [str(world.version.id)]
    look(world)
    assert looking.look(now_us=world.clock()) == 0


def test_what_is_settled_is_not_read_again_until_it_changes(store):
    world, looking = segmented(store), SegmentLook(store)
    read = []
    looking.look(now_us=1)
    sa.event.listen(store._reader, "before_cursor_execute", lambda *given: read.append(given[2]))
    assert looking.look(now_us=2) == 0
    assert len([statement for statement in read if statement.startswith("SELECT")]) == 1
    want(world, SEGMENTS[:1])
    assert looking.look(now_us=3) == 1


def test_only_versions_that_may_be_cut_are_looked_at(store):
    cut, plain = segmented(store), segmented(store, segments=[])
    with store.write() as conn:
        shape = schemas.get_schema(conn, id=plain.schema_id).to_json()
        columns = [column | {"segment": column["name"] == "region"} for column in shape["columns"]]
        schemas.save_schema(conn, version_id=plain.version.id, schema=Schema.from_json({"columns": columns}))
        bare = models.insert_model(conn, Model(name="bare", settings={"segments": SEGMENTS}))  # it has no reference
        models.insert_version(conn, Version(model_id=bare.id, name="1"))
        assert set(maybe_cut_versions(conn)) == {cut.version.id, plain.version.id}
        versions.delete_version(conn, model=cut.model.name, version="1")
        assert set(maybe_cut_versions(conn)) == {plain.version.id}
