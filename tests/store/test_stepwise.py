"""Rows of a large table rewritten in runs: each row once, whatever the size, with the progress told."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from monitor.store import migrating, open_store
from monitor.store.stepwise import Place, Stepwise
from tests.faults.upgrading import large

T = sa.Table("row", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.Text), sa.Column("n", sa.Integer))


def add_one(conn, within):
    conn.execute(sa.update(T).where(within).values(n=T.c.n + 1))


def remove(conn, within):
    conn.execute(sa.delete(T).where(within))


@pytest.fixture
def conn(empty_url, tmp_path):
    """A connection whose database has a table of rows, and forgets it."""
    store = open_store(empty_url, data_dir=tmp_path)
    with store.write() as conn:
        T.create(conn)
        yield conn
        T.drop(conn)
    store.close()


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 12, 13])
@pytest.mark.parametrize("change", [add_one, remove])
def test_every_row_is_changed_once_by_runs_that_are_no_longer_than_told(rows, change, conn):
    given = [{"a": n % 3, "b": f"{n:02}", "n": 0} for n in range(rows)]
    if given:
        conn.execute(sa.insert(T), given)
    step, after, touched = Stepwise(what="rows", table="row", key=("a", "b"), change=change, rows=6), None, []
    assert step.count(conn) == rows
    while True:
        left = conn.execute(sa.select(sa.func.count()).where(T.c.n == 0)).scalar_one()
        after = step.run(conn, after=after)
        touched.append(left - conn.execute(sa.select(sa.func.count()).where(T.c.n == 0)).scalar_one())
        if after is None:
            break
    assert max(touched) <= 6
    assert sum(touched) == rows
    assert set(conn.execute(sa.select(T.c.n)).scalars()) <= {1}


def test_a_place_is_read_as_it_was_written():
    for place in (Place(), Place(step=2, after=(1, "é"), done=3, of=9)):
        assert Place.read(place.text()) == place


def test_progress_is_told_and_logged_run_by_run(empty_url, tmp_path, monkeypatch, caplog):
    large(empty_url, tmp_path, windows=12_000)
    monkeypatch.setattr(migrating, "_SAY_SECONDS", -1.0)
    told = []
    store = open_store(empty_url, data_dir=tmp_path)
    with caplog.at_level(logging.INFO, logger="monitor"):
        store.migrate(told=lambda *said: told.append(said))
    store.close()
    windows = [(done, of) for what, done, of in told if what == "v0010: windows"]
    assert windows == [(5_000, 12_004), (10_000, 12_004), (12_004, 12_004)]
    whole = [done for what, done, _ in told if what == "migrations"]
    assert whole == sorted(whole)
    assert whole[-1] == [of for what, _, of in told if what == "migrations"][-1]
    assert "migration v0010: 10000 of 12004 windows (83 %)" in caplog.messages
    assert any(said.startswith("migration v0014 applied in ") for said in caplog.messages)
