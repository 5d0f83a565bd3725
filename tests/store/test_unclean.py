"""A database that its server did not close is read whole at the next start, and refused where it is damaged."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import sqlalchemy as sa

from monitor.model.errors import ConfigurationError
from monitor.store import engine, open_store, tables, unclean

PAGE = 16_384
CRASH = (
    "import os, sys; from monitor.store import open_store\n"
    "open_store('', data_dir=sys.argv[1], migrate=True).mark_running(); os._exit(9)"
)


@pytest.fixture
def large(tmp_path):
    """A data directory whose database has a few megabytes that no start looks at."""
    store = open_store("", data_dir=tmp_path, migrate=True)
    with store.write() as conn:
        conn.execute(sa.insert(tables.meta), [{"key": str(n), "value": "x" * 4_000} for n in range(1_000)])
    store.close()
    return tmp_path


def crash(directory):
    assert subprocess.run([sys.executable, "-c", CRASH, str(directory)], check=False).returncode == 9


def damage(directory):
    """Overwrites pages at the end of the file."""
    path = directory / "driftline.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 40 * PAGE)
        file.write(os.urandom(20 * PAGE))


def opens(directory):
    open_store("", data_dir=directory, migrate=True).close()


def test_after_a_crash_a_damaged_file_is_refused_with_the_remedy(large):
    crash(large)
    damage(large)
    for _ in range(2):  # it stays refused
        with pytest.raises(ConfigurationError, match="restore a backup into a new directory"):
            opens(large)


def test_without_that_check_nobody_notices(large, monkeypatch):
    crash(large)
    damage(large)
    monkeypatch.setattr(engine, "check_after_crash", lambda path: None)
    opens(large)


def test_after_a_crash_a_whole_file_is_opened_and_said_to_be_whole_once(large, caplog):
    caplog.set_level("INFO", logger="monitor.store.unclean")
    crash(large)
    for _ in range(2):
        opens(large)
    assert [r.message.partition(" was ")[2].partition(":")[0] for r in caplog.records] == ["not closed and is whole"]


def test_after_a_clean_end_nothing_is_read(large, monkeypatch):
    store = open_store("", data_dir=large, migrate=True)
    store.mark_running()
    store.close()
    monkeypatch.setattr(unclean, "_check", lambda path: pytest.fail("it was read"))
    opens(large)


def test_while_a_server_runs_another_process_reads_nothing_and_leaves_its_mark(large, monkeypatch):
    store = open_store("", data_dir=large, migrate=True)
    store.mark_running()
    with monkeypatch.context() as patched:
        patched.setattr(unclean, "_check", lambda path: pytest.fail("it was read"))
        second = open_store("", data_dir=large, migrate=True)
        second.mark_running()
        second.close()
    assert (large / "driftline.db-running").stat().st_size > 0
    store.close()
    assert (large / "driftline.db-running").stat().st_size == 0


def test_a_file_too_large_to_be_read_in_time_is_opened_with_a_warning(large, monkeypatch, caplog):
    monkeypatch.setattr(unclean, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(unclean, "_PAGES_A_LOOK", 1)
    crash(large)
    opens(large)
    assert [r.levelname for r in caplog.records if "too large" in r.message] == ["WARNING"]
