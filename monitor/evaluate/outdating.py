"""What goes after the rows: what labels are held against, results, alerts, what was kept aside, labels that waited."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection

from monitor.evaluate.aging import hold_off
from monitor.model.retention import Retention
from monitor.store import label_quarantine, quarantine
from monitor.store.engine import Store
from monitor.store.erased_labels import drop_segment
from monitor.store.erasures import disturb
from monitor.store.holds import refuse_held
from monitor.store.outdated import (
    forget_outcomes,
    old_segments,
    remove_alerts,
    remove_aside,
    remove_forgotten,
    remove_results,
)

MUCH = 100  # rows of tables: what is left of the step waits for the next transaction
Step = Callable[[Connection], int]
Going = Callable[[], bool]


def outdate(
    store: Store, *, version_id: int, retention: Retention, now_us: int, going: Going = lambda: True
) -> int:  # fmt: skip
    """How many rows of tables were removed of the version, step after step while ``going`` says so.

    ``Held`` where its model is under a legal hold.
    """
    forgotten_us, results_us = now_us - retention.unlabelled_us, now_us - retention.results_us
    steps: list[Step] = [
        partial(_forget, version_id=version_id, received_us=forgotten_us),
        partial(remove_forgotten, version_id=version_id, received_us=forgotten_us),
        partial(remove_results, version_id=version_id, before_us=results_us),
        partial(remove_alerts, version_id=version_id, before_us=results_us),
        partial(remove_aside, shelf=quarantine.SHELF, owner_id=version_id, before_us=now_us - retention.rows_us),
    ]
    return _all(store, steps, guard=partial(hold_off, version_id=version_id), going=going)


def outdate_labels(
    store: Store, *, model_id: int, retention: Retention, now_us: int, going: Going = lambda: True
) -> int:  # fmt: skip
    """The same of the model's labels that waited for a record, and of those that were kept aside."""
    before_us = now_us - retention.unlabelled_us
    with store.read() as conn:
        segments = old_segments(conn, model_id=model_id, before_us=before_us)
    steps: list[Step] = [
        partial(remove_aside, shelf=label_quarantine.SHELF, owner_id=model_id, before_us=before_us)
    ]  # fmt: skip
    steps += [partial(_segment, model_id=model_id, id=id) for id in segments]
    return _all(store, steps, guard=partial(refuse_held, model_id=model_id), going=going)


def _all(store: Store, steps: list[Step], *, guard: Callable[[Connection], None], going: Going) -> int:
    """The steps again and again, until none finds anything; a transaction, which the guard begins, has those that find
    little, and ends with one that finds much."""
    removed, some = 0, 1
    while some and going():
        some = 0
        with store.write() as conn:
            guard(conn)
            for step in steps:
                some += step(conn)
                if some >= MUCH:
                    break
        removed += some
    return removed


def _forget(conn: Connection, *, version_id: int, received_us: int) -> int:
    """Windows are marked, and nothing is removed: of what joins bring them from now on nothing is kept."""
    return forget_outcomes(conn, version_id=version_id, received_us=received_us)


def _segment(conn: Connection, *, model_id: int, id: int) -> int:
    """A segment that a join has read is not brought back by it: the join rolls back."""
    disturb(conn, model_id=model_id)
    return drop_segment(conn, id=id)
