"""What is due is claimed a little at a time, while there is room, in an order of the process's own."""

from __future__ import annotations

from monitor.jobs.attempts import Attempts
from monitor.jobs.backlog import Backlog
from monitor.jobs.leases import Leases
from monitor.jobs.plan import Due
from monitor.jobs.settings import JobSettings
from monitor.model.entities import Model, Version
from monitor.model.errors import Unavailable
from monitor.telemetry import Telemetry


class Claims:
    """Stands where a version's work is claimed; ``held`` versions are somebody else's."""

    def __init__(self, *, held=(), standing=()):
        self.asked, self.held, self.standing = [], set(held), set(standing)

    def claim_folds(self, dues, *, now_us):
        ids = [due.version_id for due in dues]
        self.asked.append(ids)
        if self.standing & set(ids):
            raise Unavailable("a lock in the database is held by somebody else")
        return {id: object() for id in ids if id not in self.held}


def dues(count, **more):
    return [Due(model=Model(name="m"), version=Version(model_id=1, name="1", id=id), fold=True, **more)
            for id in range(1, count + 1)]  # fmt: skip


def backlog(claims, *, begin=lambda due, claim: True):
    settings = JobSettings(claims_together=32)
    leases = Leases(None, lease_us=1, patience_us=1, retry_us=1)
    attempts = Attempts(None, telemetry=Telemetry(), leases=leases, settings=settings)
    return Backlog(claims, attempts=attempts, settings=settings, begin=begin)


def fed(made, *, times=100, room=True):
    """Asks it for more, so many times."""
    for _ in range(times):
        made.feed(lambda: room, now_us=lambda: 0)


def test_an_eighth_of_what_is_left_is_claimed_at_a_time_and_32_at_most():
    claims = Claims()
    made = backlog(claims)
    made.put(dues(400))
    fed(made, times=10)
    assert [len(asked) for asked in claims.asked] == [32, 32, 32, 32, 32, 30, 27, 23, 20, 18]
    small = Claims()
    made = backlog(small)
    made.put(dues(3))
    fed(made)
    assert [len(asked) for asked in small.asked] == [1, 1, 1]


def test_nothing_is_claimed_while_there_is_no_room():
    claims = Claims()
    made = backlog(claims)
    made.put(dues(5))
    fed(made, room=False)
    assert claims.asked == []


def test_two_processes_go_through_the_fleet_in_different_orders_and_windows_come_first():
    orders = []
    for _ in range(2):
        claims = Claims()
        made = backlog(claims)
        made.put([*dues(40), *dues(3, windows=True)])
        fed(made)
        orders.append([id for asked in claims.asked for id in asked])
    assert orders[0] != orders[1]
    assert {frozenset(order[:3]) for order in orders} == {frozenset({1, 2, 3})}


def test_who_asks_is_let_go_once_something_was_begun():
    claims = Claims(held=range(1, 9))
    made = backlog(claims)
    made.put(dues(9))
    fed(made, times=1)
    assert [9 in asked for asked in claims.asked] == [*[False] * (len(claims.asked) - 1), True]


def test_what_somebody_else_folds_is_left_to_it():
    begun = []
    made = backlog(Claims(held={2}), begin=lambda due, claim: begun.append(due.version_id) or True)
    made.put(dues(3))
    fed(made)
    assert sorted(begun) == [1, 3]


def test_a_version_whose_row_stands_still_does_not_hold_up_the_rest():
    begun = []
    made = backlog(Claims(standing={2}), begin=lambda due, claim: begun.append(due.version_id) or True)
    made.put(dues(3))
    fed(made)
    assert sorted(begun) == [1, 3]


def test_a_database_that_is_away_is_asked_twice_and_no_more():
    claims = Claims(standing=range(100))
    made = backlog(claims)
    made.put(dues(9))
    fed(made, times=1)
    assert len(claims.asked) == 2
