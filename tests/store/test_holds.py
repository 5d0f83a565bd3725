"""Legal holds in the store, on both databases: what is refused, and what stays that was deleted before."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from monitor.model.entities import LegalHold, Model
from monitor.model.errors import Held, NotFound
from monitor.store import holds, models, purge, tables

HOLD = LegalHold(reason="case 24-117", by="ops", since_us=1_000_000)


def versions_left(conn):
    return conn.execute(sa.select(sa.func.count()).select_from(tables.version)).scalar_one()


def hold(store, name="churn"):
    with store.write() as conn:
        return holds.put_hold(conn, model_id=models.get_model(conn, name=name).id, hold=HOLD)


def test_a_hold_is_of_one_model_survives_its_changes_and_ends(store, make_version):
    make_version("churn"), make_version("fraud")
    held = hold(store)
    with store.write() as conn:
        assert held.legal_hold == HOLD
        assert models.get_model(conn, name="fraud").legal_hold is None
        plain = Model(id=held.id, name="churn", team="crm")  # as a body or a file makes it: without a hold
        assert models.update_model(conn, plain).legal_hold == HOLD
        assert {m.name: m.legal_hold for m, _ in models.all_versions(conn)} == {"churn": HOLD, "fraud": None}
        holds.end_hold(conn, model_id=held.id)
        assert models.get_model(conn, name="churn").legal_hold is None


def test_a_second_hold_has_the_new_reason_and_the_first_instant(store, make_version):
    make_version()
    first = hold(store)
    with store.write() as conn:
        again = holds.put_hold(conn, model_id=first.id, hold=LegalHold(reason="two cases", by="", since_us=9_000_000))
    assert again.legal_hold == LegalHold(reason="two cases", by="", since_us=1_000_000)


def test_a_model_that_is_gone_cannot_be_held(store, make_version):
    owner = make_version()
    with store.write() as conn:
        models.delete_model(conn, name="churn")
        with pytest.raises(NotFound):
            holds.put_hold(conn, model_id=owner.model.id, hold=HOLD)


@pytest.mark.parametrize("what", ["model", "version"])
def test_under_a_hold_nothing_is_deleted_and_the_refusal_says_why_and_what_to_do(store, make_version, what):
    make_version()
    hold(store)
    delete, named = {
        "model": (models.delete_model, {"name": "churn"}),
        "version": (models.delete_version, {"model": "churn", "version": "1"}),
    }[what]
    with pytest.raises(Held) as refused, store.write() as conn:
        delete(conn, **named)
    assert (refused.value.status, refused.value.code) == (409, "legal_hold")
    for said in ("'churn'", "1970-01-01T00:00:01Z", "case 24-117", "DELETE /api/v1/models/churn/legal-hold"):
        assert said in refused.value.detail
    with store.read() as conn:
        assert [(m.name, v.name) for m, v in models.all_versions(conn)] == [("churn", "1")]


def test_what_was_deleted_before_the_hold_is_purged_only_when_it_has_ended(store, make_version):
    make_version("churn", "1"), make_version("churn", "2"), make_version("fraud", "1")
    with store.write() as conn:
        models.delete_version(conn, model="churn", version="1")
        models.delete_version(conn, model="fraud", version="1")
    held = hold(store)
    with store.write() as conn:
        while purge.purge_deleted(conn):
            pass
        assert versions_left(conn) == 2  # churn's: fraud's, whose id is higher, did not have to wait for it
        holds.end_hold(conn, model_id=held.id)
        while purge.purge_deleted(conn):
            pass
        assert versions_left(conn) == 1


def test_a_deleted_model_that_came_back_with_a_hold_is_not_purged(store, make_version):
    """As a backup taken between the two would have it."""
    owner = make_version()
    with store.write() as conn:
        models.delete_model(conn, name="churn")
        of = sa.update(tables.model).where(tables.model.c.id == owner.model.id)
        conn.execute(of.values(held_us=1, held_by="", held_reason="r"))
        assert purge.purge_deleted(conn) == 0
        conn.execute(sa.delete(tables.version))
        assert purge.purge_deleted(conn) == 0
        conn.execute(of.values(held_us=None))
        assert purge.purge_deleted(conn) == 1


def test_a_deletion_that_began_before_the_hold_was_committed_is_refused(store, make_version):
    owner = make_version()
    refused = []

    def delete():
        try:
            with store.write() as conn:
                models.delete_model(conn, name="churn")
        except Held as error:
            refused.append(error.code)

    deleting = threading.Thread(target=delete)
    with store.write() as conn:
        holds.put_hold(conn, model_id=owner.model.id, hold=HOLD)
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()  # it waits for what this transaction will have said
    deleting.join(20)
    assert refused == ["legal_hold"]
    with store.read() as conn:
        assert models.get_version(conn, model="churn", version="1")[0].legal_hold == HOLD
