from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from monitor.model.errors import InvalidInput, NotFound
from monitor.model.grants import PREFIX, Grant, digest_of, new_token
from monitor.model.quota import Quota
from monitor.store import engine as engine_module
from monitor.store import open_store, tables, tokens

ADMIN = Grant(name="first", role="admin")


def test_a_token_is_stored_as_its_hash_and_read_back_as_it_was_made(store):
    token = new_token()
    grant = Grant(name="etl", role="ingest", models=("churn*", "fraud"), expires_us=9, quota=Quota(records=5))
    with store.write() as conn:
        made = tokens.insert_token(conn, grant, digest=digest_of(token), now_us=5)
    with store.read() as conn:
        assert tokens.list_tokens(conn) == [made]
        assert (made.grant, made.digest, made.created_us) == (grant, digest_of(token), 5)
        assert (made.revoked_us, made.last_used_us) == (None, None)
        stored = repr(conn.execute(sa.select(tables.token)).all())
    assert token not in stored
    assert token.removeprefix(PREFIX) not in stored


def test_a_new_token_has_256_random_bits_behind_its_prefix():
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {(t[:3], len(t)) for t in made} == {("dl_", 3 + 43)}


def test_a_revoked_token_stays_in_the_list_and_the_first_revocation_counts(store):
    with store.write() as conn:
        made = tokens.insert_token(conn, ADMIN, digest=b"1" * 32, now_us=1)
        tokens.revoke_token(conn, id=made.id, now_us=2)
        tokens.revoke_token(conn, id=made.id, now_us=3)
    with store.read() as conn:
        (found,) = tokens.list_tokens(conn)
        assert (found.revoked_us, found.live(1), tokens.any_token(conn)) == (2, False, True)


@pytest.mark.parametrize("id", [1, 0, 10**30])
def test_a_token_that_does_not_exist_cannot_be_revoked(store, id):
    with store.write() as conn, pytest.raises(NotFound):
        tokens.revoke_token(conn, id=id, now_us=2)


def test_tokens_that_ended_long_ago_make_room_when_one_is_made(store):
    with store.write() as conn:
        for digest, expires in ((b"1" * 32, 10), (b"2" * 32, None)):
            tokens.insert_token(
                conn, Grant(name="old", role="read", expires_us=expires), digest=digest, now_us=1
            )  # fmt: skip
        tokens.insert_token(conn, ADMIN, digest=b"3" * 32, now_us=tokens.KEPT_US + 11)
        assert [t.digest[:1] for t in tokens.list_tokens(conn)] == [b"2", b"3"]


def test_of_processes_that_make_the_first_token_at_once_one_does(store, store_url, tmp_path, monkeypatch):
    # As processes do, each with a lock of its own: only the database's lock holds them apart.
    monkeypatch.setattr(engine_module, "_locks", type("Forgetful", (dict,), {"setdefault": lambda _, __, new: new})())
    made = []

    def start(number):
        other = open_store(store_url, data_dir=tmp_path)
        barrier.wait(10)
        with other.write() as conn:
            made.append(tokens.insert_first_token(conn, ADMIN, digest=bytes([number]) * 32, now_us=1))
        other.close()

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=start, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = [token for token in made if token is not None]
    assert (len(made), len(winner)) == (4, 1)
    with store.read() as conn:
        assert tokens.list_tokens(conn) == winner


def test_where_there_is_a_token_no_first_one_is_made(store):
    with store.write() as conn:
        tokens.insert_token(conn, Grant(name="x", role="read"), digest=b"1" * 32, now_us=1)
        assert tokens.insert_first_token(conn, ADMIN, digest=b"2" * 32, now_us=2) is None
        assert len(tokens.list_tokens(conn)) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"role": "reed"}, r"did you mean 'read'"), ({"name": "a b"}, "token name"), ({"models": ("a/b",)}, "a/b"),
     ({"models": ("",)}, "pattern"), ({"role": "metrics", "models": ("a",)}, "every model in one page"),
     ({"models": ("a",) * 101}, "at most 100")],
)  # fmt: skip
def test_a_grant_that_cannot_be_is_refused_in_words(wrong, said):
    with pytest.raises(InvalidInput, match=said):
        Grant(**{"name": "t", "role": "read"} | wrong)
