"""Backups hold every row of every table; what is damaged, cut off or newer is refused, and nothing is half restored."""

from __future__ import annotations

import hashlib
import random
import shutil

import pytest
import sqlalchemy as sa

from monitor.model.errors import ConfigurationError, InvalidInput, Unavailable
from monitor.store import migrate, open_store, tables
from monitor.store.backup import Backups, check_file, restore_backup
from monitor.store.backup.file import Progress, Watcher
from monitor.store.migrations import REVISIONS
from tests.store.backing_up import CREATED, back_up, everything
from tests.store.test_migrate import put_row

FILLER = {
    int: [0, 1, -(2**63), 2**63 - 1], float: [0.1, -1e300, 5e-324], str: ["", "é\u202e\U0001f600", "a'b\"\n"],
    bytes: [b"", b"\0\xff" * 40_000, bytes(range(256))], bool: [True, False],
}  # fmt: skip


@pytest.fixture
def full(store):
    """The store, with rows in every table and values at the ends of their types."""
    with store.write() as conn:
        for table in tables.metadata.sorted_tables:
            if table.name != "meta":
                for number in (1, 2, 3):
                    put(conn, table, number=number)
    return store


def put(conn, table, *, number):
    """A row whose keys are made of the number, and whose other values are the next of each type."""
    unique = {c.name for u in table.constraints if isinstance(u, sa.UniqueConstraint) for c in u.columns}
    values = {}
    for place, column in enumerate(table.c):
        kind = column.type.python_type if column.type.python_type in FILLER else str
        if column.primary_key or column.foreign_keys or column.unique or column.name in unique:
            values[column.name] = {int: number, str: f"k{number}", bytes: bytes([number])}[kind]
        elif column.nullable and number == 3:
            values[column.name] = None
        else:
            choices = [0, 1, -(2**31), 2**31 - 1] if type(column.type) is sa.Integer else FILLER[kind]
            values[column.name] = choices[(number + place) % len(choices)]
    conn.execute(sa.insert(table).values(values))


@pytest.mark.parametrize("beside_writes", [False, True])
def test_every_row_comes_back_in_an_empty_place_of_either_kind(full, empty_url, tmp_path, beside_writes):
    path = back_up(full, tmp_path / "x.backup", beside=tmp_path / "copies" if beside_writes else None)
    header, summary = restore_backup(path, url=empty_url, data_dir=tmp_path)
    assert (header.schema, header.database, header.created) == (REVISIONS[-1], full.dialect, CREATED)
    restored = open_store(empty_url, data_dir=tmp_path)
    rows = everything(full)
    assert all(len(rows[table.name]) == (1 if table.name == "meta" else 3) for table in tables.metadata.sorted_tables)
    assert everything(restored) == rows
    assert summary.rows == {name: len(found) for name, found in rows.items()}
    assert restored.secret == full.secret
    restored.close()


def test_an_id_that_was_given_before_the_backup_is_not_given_again_after_it(store, empty_url, tmp_path):
    with store.write() as conn:
        for name in ("first", "last"):
            last = conn.execute(sa.insert(tables.model).values(name=name, **model())).inserted_primary_key[0]
        conn.execute(sa.delete(tables.model).where(tables.model.c.id == last))
    path = back_up(store, tmp_path / "x.backup")
    restore_backup(path, url=empty_url, data_dir=tmp_path)
    restored = open_store(empty_url, data_dir=tmp_path)
    with restored.write() as conn:
        assert conn.execute(sa.insert(tables.model).values(name="next", **model())).inserted_primary_key[0] == last + 1
    restored.close()


def model():
    return {
        "task": "none", "description": "", "team": "", "window_length": "1h", "timezone": "UTC", "lateness_us": 0,
        "settings": "{}", "created_us": 0, "updated_us": 0, "revision": 0,
    }  # fmt: skip


@pytest.mark.parametrize("released", [REVISIONS[0], REVISIONS[-2]])
def test_a_backup_of_an_older_schema_is_upgraded_when_it_is_restored(released, empty_url, tmp_path):
    old = open_store(f"sqlite:///{tmp_path}/old.db", data_dir=tmp_path)
    with old.write() as conn:
        migrate.upgrade(conn, to=released)
        put_row(conn, "model", id=7, name="m")
    path = back_up(old, tmp_path / "x.backup")
    header, _ = restore_backup(path, url=empty_url, data_dir=tmp_path)
    assert header.schema == released
    restored = open_store(empty_url, data_dir=tmp_path)
    assert restored.schema_current()
    assert restored.secret == old.secret
    with restored.read() as conn:
        assert conn.execute(sa.select(tables.model.c.id, tables.model.c.name)).all() == [(7, "m")]
    old.close()
    restored.close()


def test_the_digest_is_the_sha256_of_all_but_the_last_forty_bytes(full, tmp_path):
    path = back_up(full, tmp_path / "x.backup")
    content = path.read_bytes()
    assert check_file(path)[1] == f"sha256:{hashlib.sha256(content[:-40]).hexdigest()}"
    assert content[-40:-32] == b"SHA-256:"


def test_a_backup_cut_off_anywhere_is_refused(full, tmp_path):
    content = back_up(full, tmp_path / "x.backup").read_bytes()
    cut = tmp_path / "cut.backup"
    dice = random.Random(1)
    for length in {0, 1, 16, 17, 60, len(content) - 1, len(content) - 40, *dice.sample(range(len(content)), 40)}:
        cut.write_bytes(content[:length])
        with pytest.raises(InvalidInput, match=r"no backup|no end"):
            check_file(cut)


def test_a_backup_with_one_byte_flipped_anywhere_is_refused(full, tmp_path):
    content = back_up(full, tmp_path / "x.backup").read_bytes()
    flipped = tmp_path / "flipped.backup"
    dice = random.Random(2)
    for place in {0, 20, 40, len(content) - 1, len(content) - 40, *dice.sample(range(len(content)), 60)}:
        flipped.write_bytes(content[:place] + bytes([content[place] ^ 1 << dice.randrange(8)]) + content[place + 1 :])
        with pytest.raises(InvalidInput):
            check_file(flipped)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ((b"DRIFTLINE BACKUP", b"DRIFTLINE LOGBOK"), "no backup"),
        ((b'"format":1', b'"format":2'), "format 2"),
        ((f'"schema":"{REVISIONS[-1]}"'.encode(), b'"schema":"v9999"'), "v9999"),
    ],
)
def test_a_header_of_another_program_or_a_later_release_is_refused_in_words(store, tmp_path, changed, says):
    content = back_up(store, tmp_path / "x.backup").read_bytes()[:-40].replace(*changed)
    path = tmp_path / "other.backup"
    path.write_bytes(content + b"SHA-256:" + hashlib.sha256(content).digest())
    place = tmp_path / "new"
    with pytest.raises(InvalidInput, match=says):
        restore_backup(path, url=f"sqlite:///{place}/driftline.db", data_dir=place)
    assert not list(place.glob("*"))


def test_a_store_with_anything_in_it_is_never_restored_into(store, tmp_path, store_url):
    path = back_up(store, tmp_path / "x.backup")
    before = everything(store)
    with pytest.raises(ConfigurationError, match="empty"):
        restore_backup(path, url=store_url, data_dir=tmp_path)
    assert everything(store) == before


@pytest.mark.parametrize("left", ["driftline.db-wal", "driftline.db-journal", "driftline.db-shm"])
def test_a_journal_of_an_earlier_database_is_no_empty_place(store, tmp_path, left):
    path = back_up(store, tmp_path / "x.backup")
    place = tmp_path / "new"
    place.mkdir()
    (place / left).touch()
    with pytest.raises(ConfigurationError, match=left):
        restore_backup(path, url=f"sqlite:///{place}/driftline.db", data_dir=place)


def test_a_backup_that_breaks_in_the_middle_of_its_restore_leaves_nothing(full, empty_url, tmp_path):
    content = back_up(full, tmp_path / "x.backup").read_bytes()
    path = tmp_path / "cut.backup"
    path.write_bytes(content[: len(content) * 2 // 3])  # as if its digest had not been looked at
    before = {found.name for found in tmp_path.iterdir()}
    with pytest.raises(InvalidInput, match=r"cut off|no end"):
        restore_backup(path, url=empty_url, data_dir=tmp_path)
    assert {found.name for found in tmp_path.iterdir()} == before
    if empty_url.startswith("postgresql"):
        engine = sa.create_engine(empty_url)
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()


def test_a_database_without_a_schema_is_no_backup(empty_url, tmp_path):
    store = open_store(empty_url, data_dir=tmp_path)
    with pytest.raises((ConfigurationError, Unavailable)):
        back_up(store, tmp_path / "x.backup")
    store.close()


def test_one_backup_at_a_time_and_the_next_when_nobody_takes_it_any_more(full, tmp_path):
    backups = Backups(full, directory=tmp_path / "copies", release="0.1.0")
    first = backups.stream(created=CREATED)
    next(first)
    with pytest.raises(Unavailable, match="another backup"):
        backups.stream(created=CREATED)
    first.close()
    backups._thread.join(10)
    whole = b"".join(backups.stream(created=CREATED))
    (tmp_path / "x.backup").write_bytes(whole)
    assert check_file(tmp_path / "x.backup")[0].created == CREATED
    assert list((tmp_path / "copies").glob("*")) == []
    backups.close()
    with pytest.raises(Unavailable):
        backups.stream(created=CREATED)


def test_a_backup_that_has_no_room_for_its_copy_is_not_begun(full, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000))
    backups = Backups(full, directory=tmp_path / "copies", release="0.1.0")
    if full.dialect == "postgresql":  # which needs none
        assert b"".join(backups.stream(created=CREATED)).startswith(b"DRIFTLINE BACKUP")
    else:
        with pytest.raises(Unavailable, match="1000 are free"):
            backups.stream(created=CREATED)


def test_closing_breaks_off_a_backup_that_nobody_takes(full, tmp_path):
    backups = Backups(full, directory=tmp_path / "copies", release="0.1.0")
    pieces = backups.stream(created=CREATED)
    next(pieces)
    backups.close()
    with pytest.raises(Unavailable, match="broken off"):
        list(pieces)
    assert list((tmp_path / "copies").glob("*")) == []


def test_copies_of_a_process_that_was_killed_are_removed(store, tmp_path):
    left = tmp_path / "copies" / "copy-xyz"
    left.mkdir(parents=True)
    (left / "copy.db").touch()
    Backups(store, directory=tmp_path / "copies", release="0.1.0").remove_leftovers()
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_progress_is_seen_in_the_bytes_however_they_are_cut(tmp_path, size):
    from monitor.store.backup.file import BackupWriter, Header, Summary, Table

    made = bytearray()
    header = Header(format=1, schema="v0001", database="sqlite", created=CREATED, release="0")
    writer = BackupWriter(made.extend, header=header)
    sent = [Progress(step="copy", done=1, of=3), Progress(step="copy", done=3, of=3)]
    writer.progress(sent[0])
    writer.table(Table(name="t", columns=("a",)))
    writer.rows(b"\xdd\x00\x00\x00\x01\x91\x05")
    writer.progress(sent[1])
    writer.finish(Summary(rows={"t": 1}, counters={}))
    seen = []
    watcher = Watcher(seen.append)
    for start in range(0, len(made), size):
        watcher.feed(bytes(made[start : start + size]))
    assert seen == sent
