"""What a server is allowed to listen on, and the first token."""

from __future__ import annotations

import stat
import threading

import pytest
import sqlalchemy as sa

from monitor.api.doorkeeper import is_loopback
from monitor.api.start import in_container, secure
from monitor.model.errors import ConfigurationError
from monitor.model.grants import Grant, digest_of
from monitor.settings import Settings
from monitor.store import engine as engine_module
from monitor.store import open_store, tables, tokens

NOWHERE = "203.0.113.1"  # RFC 5737: reachable from other machines, and no test listens on it


def start(store, tmp_path, *, makes_token, **settings):
    given = Settings(**{"host": NOWHERE, "data_dir": tmp_path} | settings)
    return secure(given, store=store, makes_token=makes_token, now_us=lambda: 1)


def test_beyond_loopback_without_a_token_the_start_stops_with_the_remedy(store, tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        start(store, tmp_path, makes_token=False)
    for remedy in ("tokens create", "DRIFTLINE_CONFIG", "DRIFTLINE_ALLOW_ANONYMOUS=true", "127.0.0.1"):
        assert remedy in refused.value.detail


def test_a_token_or_the_administrators_word_opens_the_way(store, tmp_path, caplog):
    assert start(store, tmp_path, makes_token=False, allow_anonymous=True) is None
    assert "no effect" not in caplog.text
    with store.write() as conn:
        tokens.insert_token(conn, Grant(name="a", role="admin"), digest=b"1" * 32, now_us=1)
    assert start(store, tmp_path, makes_token=False) is None
    assert start(store, tmp_path, makes_token=True) is None
    assert start(store, tmp_path, makes_token=False, allow_anonymous=True) is None
    assert "DRIFTLINE_ALLOW_ANONYMOUS has no effect" in caplog.text


def test_a_listed_token_opens_the_way_and_none_is_made(store, tmp_path):
    (tmp_path / "tokens.yaml").write_text(f"tokens: [{{name: a, role: admin, sha256: {'a' * 64}}}]")
    config = tmp_path / "server.yaml"
    config.write_text("driftline: 1\nauth: {tokens_file: tokens.yaml}")
    assert start(store, tmp_path, makes_token=True, config=config) is None
    assert not (tmp_path / "admin-token").exists()


def test_in_a_container_the_first_start_makes_an_admin_token_for_the_owner_alone(store, tmp_path):
    token = start(store, tmp_path, makes_token=True)
    path = tmp_path / "admin-token"
    assert path.read_text() == token + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with store.read() as conn:
        (stored,) = tokens.list_tokens(conn)
    assert (stored.grant, stored.digest) == (Grant(name="first-admin", role="admin"), digest_of(token))
    assert start(store, tmp_path, makes_token=True) is None


def test_on_loopback_no_token_is_made(store, tmp_path):
    assert start(store, tmp_path, makes_token=True, host="127.0.0.1") is None
    with store.read() as conn:
        assert tokens.list_tokens(conn) == []


def test_a_token_that_cannot_be_written_down_is_not_made(store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="make DRIFTLINE_DATA_DIR writable"):
        start(store, tmp_path, makes_token=True, data_dir=tmp_path / "file")
    with store.read() as conn:
        assert tokens.list_tokens(conn) == []
        assert conn.execute(sa.select(tables.meta.c.key).where(tables.meta.c.key == "first_token_us")).all() == []


def test_of_replicas_that_start_at_once_one_makes_the_token_and_the_others_neither_say_nor_write_one(
    store, store_url, tmp_path, monkeypatch
):
    # As processes do, each with a lock of its own: only the database's lock holds them apart.
    monkeypatch.setattr(engine_module, "_locks", type("Forgetful", (dict,), {"setdefault": lambda _, __, new: new})())
    made = {}

    def replica(number):
        other = open_store(store_url, data_dir=tmp_path)
        barrier.wait(10)
        made[number] = start(other, tmp_path, makes_token=True, data_dir=tmp_path / str(number))
        other.close()

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=replica, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number, token in made.items() if token is not None]
    assert sorted(made) == [0, 1, 2, 3]
    assert [p.parent.name for p in tmp_path.glob("*/admin-token")] == [str(winner)]
    with store.read() as conn:
        assert [t.digest for t in tokens.list_tokens(conn)] == [digest_of(made[winner])]


@pytest.mark.parametrize(
    ("environment", "mark"),
    [({"container": "podman"}, None), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None), ({}, ".dockerenv"),
     ({}, "run/.containerenv")],
)  # fmt: skip
def test_a_container_is_known_by_what_its_runtime_leaves(tmp_path, environment, mark):
    assert in_container({"PATH": "/bin", "container": ""}, root=tmp_path) is False
    if mark is not None:
        (tmp_path / mark).parent.mkdir(exist_ok=True)
        (tmp_path / mark).touch()
    assert in_container(environment, root=tmp_path) is True


def test_a_name_that_does_not_resolve_is_not_loopback():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "[::1]", NOWHERE, "::", "x" * 300)] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
