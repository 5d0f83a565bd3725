"""A backup of SQLite ends while others write, is of one moment, and lets them write."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import sqlalchemy as sa

from monitor.store import open_store, tables
from monitor.store.backup import restore_backup
from monitor.store.backup.write import write_backup
from monitor.store.sqlite import library
from tests.store.backing_up import CREATED

BALLAST = 60  # mebibytes, so that a copy takes many steps
PAIRS = ("left", "right")  # of each write: whoever sees one without the other saw half a transaction


def filled(tmp_path):
    store = open_store("", data_dir=tmp_path, migrate=True)
    with store.write() as conn:
        rows = [{"version_id": n, "route": "r", "key": "k", "digest": "", "created_us": 0, "status": 200,
                 "answer": bytes(1024**2)} for n in range(BALLAST)]  # fmt: skip
        conn.execute(sa.insert(tables.request_key), rows)
    return store


@contextmanager
def writing(write):
    """Calls ``write(n)`` for n = 0, 1, 2, … as fast as it goes while the block runs; yields what it has done."""
    done, halt, failed = [], threading.Event(), []

    def go():
        try:
            while not halt.is_set():
                write(len(done))
                done.append(time.monotonic())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        while len(done) < 5:
            time.sleep(0.005)
            assert not failed, failed
        yield done
    finally:
        halt.set()
        thread.join()
        assert not failed, failed


def backed_up(store, tmp_path, *, told=lambda progress: None):
    path = tmp_path / "x.backup"
    with path.open("wb") as file:
        write_backup(store, file.write, created=CREATED, release="0", beside=tmp_path / "copies", told=told)
    return path


def pairs_in(path, tmp_path):
    place = tmp_path / "new"
    restore_backup(path, url=f"sqlite:///{place}/driftline.db", data_dir=place)
    restored = open_store("", data_dir=place)
    with restored.read() as conn:
        keys = conn.execute(sa.select(tables.meta.c.key).where(tables.meta.c.key != "secret")).scalars().all()
        assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    restored.close()
    return [{int(key.partition(":")[2]) for key in keys if key.startswith(side)} for side in PAIRS]


def test_a_backup_ends_under_load_and_is_of_one_moment(tmp_path):
    store = filled(tmp_path)

    def write(number):
        with store.write() as conn:
            for side in PAIRS:
                conn.execute(sa.insert(tables.meta).values(key=f"{side}:{number}", value=""))

    with writing(write) as done:
        before, began = len(done), time.monotonic()
        path = backed_up(store, tmp_path)
        during = [at for at in done[before:] if at > began]
    gaps = [b - a for a, b in zip([began, *during], during, strict=False)]
    assert len(during) > 10, "nobody wrote meanwhile: it proves nothing"
    assert max(gaps) < 2.0
    left, right = pairs_in(path, tmp_path)
    assert left == right
    assert left >= set(range(before))
    store.close()


def test_another_process_that_writes_all_the_time_keeps_no_backup_from_its_end(tmp_path):
    store = filled(tmp_path)
    other = library().connect(str(tmp_path / "driftline.db"), timeout=30, isolation_level=None, check_same_thread=False)
    seen = []

    def write(number):
        other.execute("BEGIN IMMEDIATE")
        for side in PAIRS:
            other.execute("INSERT INTO meta VALUES (?, '')", (f"{side}:{number}",))
        other.execute("COMMIT")

    with writing(write) as done:
        before = len(done)
        path = backed_up(store, tmp_path, told=lambda progress: seen.append(progress.done))
        assert len(done) > before + 10, "nobody wrote meanwhile: it proves nothing"
    left, right = pairs_in(path, tmp_path)
    assert left == right
    assert left >= set(range(before))
    other.close()
    store.close()


def test_an_error_on_the_way_leaves_the_writer_free_and_no_copy(tmp_path):
    store = filled(tmp_path)

    def told(progress):
        raise OSError("nobody listens")

    for _ in range(2):
        try:
            backed_up(store, tmp_path, told=told)
        except OSError as error:
            assert str(error) == "nobody listens"  # noqa: PT017 - twice, and then it writes
        assert list((tmp_path / "copies").iterdir()) == []
    with store.write() as conn:
        conn.execute(sa.insert(tables.meta).values(key="after", value=""))
    store.close()
