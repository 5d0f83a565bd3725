import threading
from dataclasses import replace

import pytest

from monitor.model.entities import Reference
from monitor.model.errors import NotFound
from monitor.store import models, references


def begin(conn, version_id, digest="sha256:a", **fields):
    return references.begin_reference(conn, Reference(version_id=version_id, digest=digest, **fields))


def finish(conn, reference, **fields):
    return references.finish_reference(
        conn, reference_id=reference.id, rows=9, layout_id=1, schema_id=2, profile=b"\0profile", **fields
    )


def test_a_finished_reference_comes_back_as_it_was_given(store, version_id):
    warnings = ({"code": "few_rows", "column": "", "message": "m \ud800"},)
    with store.write() as conn:
        roles = {"label": "y", "score": {"": "s"}}
        begun = begin(conn, version_id, roles=roles, source="s3://x", media_type="text/csv", created_us=5)
        assert (begun.number, begun.ready) == (1, False)
        done = finish(conn, begun, history=b"\0history", warnings=warnings)
        assert done == replace(begun, rows=9, layout_id=1, schema_id=2, warnings=warnings, ready=True)
        assert references.get_reference(conn, version_id=version_id, number=1) == done
        assert references.get_reference_by_id(conn, id=begun.id) == done
        assert references.reference_profile(conn, reference_id=begun.id) == b"\0profile"
        assert references.reference_history(conn, reference_id=begun.id) == b"\0history"


def test_the_file_is_kept_in_pieces_in_their_order(store, version_id):
    pieces = [b"\0" * 100_000, b"two", b""]
    with store.write() as conn:
        begun = begin(conn, version_id)
        for seq, piece in enumerate(pieces):
            references.append_chunk(conn, reference_id=begun.id, seq=seq, payload=piece)
    with store.read() as conn:
        assert [references.chunks(conn, reference_id=begun.id, seq=n) for n in range(4)] == [*pieces, None]


def test_an_unfinished_reference_is_seen_by_nobody_and_can_be_discarded(store, version_id):
    with store.write() as conn:
        begun = begin(conn, version_id, created_us=1)
        references.append_chunk(conn, reference_id=begun.id, seq=0, payload=b"x")
        assert references.list_references(conn, version_id=version_id) == []
        assert references.find_reference(conn, version_id=version_id, digest="sha256:a", roles={}) is None
        with pytest.raises(NotFound):
            references.get_reference(conn, version_id=version_id, number=1)
        with pytest.raises(NotFound):
            references.activate_reference(conn, version_id=version_id, reference_id=begun.id)
        assert list(references.unfinished_references(conn, before_us=2)) == [begun.id]
        references.discard_reference(conn, reference_id=begun.id)
        assert list(references.unfinished_references(conn, before_us=2)) == []
        assert references.chunks(conn, reference_id=begun.id, seq=0) is None


def test_discarding_leaves_a_ready_reference_alone(store, version_id):
    with store.write() as conn:
        done = finish(conn, begin(conn, version_id))
        references.discard_reference(conn, reference_id=done.id)
        assert references.get_reference(conn, version_id=version_id, number=1) == done


def test_the_same_bytes_with_the_same_roles_are_found_again(store, version_id):
    roles = {"score": {"": "s"}, "label": "y"}
    with store.write() as conn:
        done = finish(conn, begin(conn, version_id, roles=roles))

        def find(digest, roles):
            return references.find_reference(conn, version_id=version_id, digest=digest, roles=roles)

        assert find("sha256:a", {"label": "y", "score": {"": "s"}}) == done
        assert find("sha256:a", {"label": "z", "score": {"": "s"}}) is None
        assert find("sha256:b", roles) is None


def test_the_active_reference_can_go_back_to_an_earlier_one(store, make_version):
    version_id, other = make_version(version="1").version.id, make_version(version="2").version.id
    with store.write() as conn:
        with pytest.raises(NotFound, match="PUT …/reference"):
            references.get_reference(conn, version_id=version_id)
        made = [finish(conn, begin(conn, version_id, digest=digest)) for digest in ("a", "b", "c")]
        for chosen in (made[2], made[0]):
            references.activate_reference(conn, version_id=version_id, reference_id=chosen.id)
            assert references.get_reference(conn, version_id=version_id) == chosen
        assert [r.number for r in references.list_references(conn, version_id=version_id)] == [3, 2, 1]
        assert [r.number for r in references.list_references(conn, version_id=version_id, before=3, limit=1)] == [2]
        assert models.get_version_by_id(conn, id=version_id)[1].revision == 3
        with pytest.raises(NotFound):
            references.activate_reference(conn, version_id=other, reference_id=made[0].id)


def test_references_begun_at_once_get_numbers_of_their_own(store, version_id):
    numbers, barrier = [], threading.Barrier(4)

    def start():
        barrier.wait(10)
        with store.write() as conn:
            numbers.append(begin(conn, version_id).number)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4]


def test_a_reference_profiled_again_keeps_its_number_and_file(store, version_id):
    with store.write() as conn:
        done = finish(conn, begin(conn, version_id))
        references.set_reference_profile(conn, reference_id=done.id, layout_id=8, profile=b"new", history=None)
        assert references.get_reference(conn, version_id=version_id, number=1) == replace(done, layout_id=8)
        assert references.reference_profile(conn, reference_id=done.id) == b"new"
        assert references.reference_history(conn, reference_id=done.id) is None
        with pytest.raises(NotFound):
            references.set_reference_profile(conn, reference_id=99, layout_id=8, profile=b"new", history=None)
