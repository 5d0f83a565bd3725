"""The report itself: what it says is what happened, and a loss cannot pass as a success."""

from __future__ import annotations

import pytest

from tests.faults.report import GATHERED, judge, read


@pytest.mark.parametrize(
    ("acked", "stored", "refused", "said"),
    [
        ({"a", "b"}, ["a"], (), "lost=1"),
        ({"a"}, ["a", "a"], (), "twice=1"),
        ({"a"}, ["a", "x"], (), "never sent"),
        ({"a"}, ["a", "b"], ("b",), "refused and stored"),
        (set(), [], (), "nothing was acknowledged"),
    ],
)
def test_what_breaks_the_promise_fails(acked, stored, refused, said, monkeypatch):
    monkeypatch.delenv(GATHERED, raising=False)  # these are no rows of a run of the whole
    with pytest.raises(AssertionError, match=said):
        judge("f", database="SQLite", rounds=1, sent={"a", "b"}, acked=acked, stored=stored, refused=refused)


def test_what_was_judged_is_gathered_in_its_order(tmp_path, monkeypatch):
    monkeypatch.setenv(GATHERED, str(tmp_path / "rows"))
    judge("kill -9", database="SQLite", rounds=2, sent={"a", "b"}, acked={"a"}, stored=["a", "b"], recovery_seconds=1.5)
    judge("SIGTERM", database="PostgreSQL", rounds=3, sent={"a"}, acked={"a"}, stored=["a"])
    found = [(row.fault, row.database, row.rounds, row.acked, row.stored) for row in read(tmp_path / "rows")]
    assert found == [("kill -9", "SQLite", 2, 1, 2), ("SIGTERM", "PostgreSQL", 3, 1, 1)]
