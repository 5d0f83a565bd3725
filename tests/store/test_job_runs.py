import threading
import time

import pytest

from monitor.model.errors import FenceLost, NotFound
from monitor.store import dialect, runs, tables

HOUR_US = 3_600_000_000


def claim(conn, *, subject="1", scheduled_us=0, owner="a", lease_us=HOUR_US):
    return runs.claim(conn, job="evaluate", subject=subject, scheduled_us=scheduled_us, owner=owner, lease_us=lease_us)


def lapsed(store, **which):
    """A claim whose lease has passed already."""
    with store.write() as conn:
        held = claim(conn, lease_us=-1, **which)
    assert held is not None
    return held


def test_the_database_clock_is_now(store):
    with store.read() as conn:
        assert abs(dialect.read_clock_us(conn) - time.time_ns() // 1000) < 2_000_000


def test_an_occurrence_is_claimed_by_one_and_refused_to_the_rest(store):
    with store.write() as conn:
        first = claim(conn)
        assert first is not None
        assert (first.fence, first.attempt) == (1, 1)
        assert claim(conn, owner="b") is None
        assert claim(conn, owner="b", scheduled_us=1) is not None
        assert claim(conn, owner="b", subject="2") is not None


def test_competing_threads_do_each_occurrence_once(store):
    """Five owners, ten occurrences: each is claimed, and finished, exactly once."""
    done, barrier = [], threading.Barrier(5)

    def work(owner):
        barrier.wait(10)
        for scheduled_us in range(10):
            with store.write() as conn:
                held = claim(conn, owner=owner, scheduled_us=scheduled_us)
                if held is not None:
                    runs.finish(conn, held)
                    done.append(scheduled_us)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(10))


def test_competing_takeovers_of_a_lapsed_lease_have_one_winner(store):
    lapsed(store)
    won, barrier = [], threading.Barrier(6)

    def take(owner):
        barrier.wait(10)
        with store.write() as conn:
            held = claim(conn, owner=owner)
        won.append(held)

    threads = [threading.Thread(target=take, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [held.fence for held in won if held is not None] == [2]


def test_an_owner_that_was_paused_loses_its_fence_to_the_next(store):
    paused = lapsed(store)
    with store.write() as conn:
        following = claim(conn, owner="b")
        assert following is not None
        assert (following.fence, following.attempt) == (2, 2)
    for step in (
        lambda conn: runs.finish(conn, paused), lambda conn: runs.lapse(conn, paused, error="x", retry_in_us=1),
        lambda conn: runs.progress(conn, paused, ratio=0.5), lambda conn: runs.release(conn, paused),
        lambda conn: runs.fail(conn, paused, error="x"), lambda conn: runs.check_fence(conn, paused),
    ):  # fmt: skip
        with pytest.raises(FenceLost), store.write() as conn:
            step(conn)
    with store.write() as conn:
        runs.finish(conn, following)


def test_the_same_owner_with_an_older_fence_is_refused_too(store):
    old = lapsed(store)
    with store.write() as conn:
        assert claim(conn) is not None
    with pytest.raises(FenceLost), store.write() as conn:
        runs.finish(conn, old)


def test_results_and_completion_commit_together_or_not_at_all(store):
    old = lapsed(store)
    with store.write() as conn:
        claim(conn, owner="b")

    def write_results_and_finish():
        with store.write() as conn:
            runs.enqueue(conn, job="result", subject="1", scheduled_us=0)
            runs.finish(conn, old)

    with pytest.raises(FenceLost):
        write_results_and_finish()
    with store.read() as conn:
        assert runs.get_run(conn, job="result", subject="1", scheduled_us=0) is None


def test_a_heartbeat_keeps_the_claim(store):
    held = lapsed(store)
    with store.write() as conn:
        assert runs.heartbeat(conn, [held], lease_us=HOUR_US) == {held.id}
        assert claim(conn, owner="b") is None


def test_a_heartbeat_renews_what_is_still_ours_and_names_it(store):
    lost, kept = lapsed(store), lapsed(store, scheduled_us=1)
    with store.write() as conn:
        claim(conn, owner="b")
        assert runs.heartbeat(conn, [lost, kept], lease_us=HOUR_US) == {kept.id}
        assert claim(conn, owner="b", scheduled_us=1) is None


def test_a_heartbeat_of_an_older_claim_renews_not_the_newer_one_of_the_same_owner(store):
    older = lapsed(store)
    with store.write() as conn:
        newer = claim(conn)
        assert runs.heartbeat(conn, [older], lease_us=2 * HOUR_US) == set()
        assert runs.heartbeat(conn, [newer], lease_us=-1) == {newer.id}
    time.sleep(0.002)
    with store.write() as conn:
        assert claim(conn, owner="b").attempt == 3


@pytest.mark.parametrize(
    "store_url", ["postgresql"], indirect=True
)  # SQLite's writers wait for each other whatever they do
def test_who_asks_for_a_run_that_is_being_ended_is_refused_and_does_not_wait(store):
    with store.write() as conn:
        held = claim(conn)
    asked = []

    def ask():
        with store.write() as conn:
            asked.append(claim(conn, owner="b"))

    with store.write() as conn:
        runs.finish(conn, held)
        other = threading.Thread(target=ask)
        other.start()
        other.join(5)
        refused = list(asked)
    other.join(15)
    assert refused == [None]


def test_an_attempt_that_was_let_go_may_finish_until_somebody_else_begins(store):
    with store.write() as conn:
        ours, theirs = claim(conn), claim(conn, scheduled_us=1)
        for held in (ours, theirs):
            runs.lapse(conn, held, error="no end", retry_in_us=0)
    time.sleep(0.002)
    with store.write() as conn:
        runs.finish(conn, ours)
        assert claim(conn, owner="b", scheduled_us=1).attempt == 2
        with pytest.raises(FenceLost):
            runs.finish(conn, theirs)


def test_what_was_given_back_untried_is_removed_by_age_where_nobody_needs_it(store):
    with store.write() as conn:
        runs.release(conn, claim(conn))
        runs.enqueue(conn, job="recompute", subject="1", scheduled_us=0)
        future = dialect.read_clock_us(conn) + HOUR_US
        assert runs.purge_runs(conn, before_us=future) == 0
        assert runs.purge_runs(conn, before_us=future, unneeded=["evaluate"]) == 1
        assert [run.job for run in runs.list_open(conn)] == ["recompute"]


def test_what_is_done_is_never_done_again(store):
    with store.write() as conn:
        held = claim(conn)
        assert held is not None
        runs.finish(conn, held)
        assert claim(conn, owner="b") is None
        job = runs.get_job(conn, id=held.id)
        assert (job.state, job.progress, job.error) == ("done", 1.0, None)
        assert job.finished_us is not None


def test_an_occurrence_that_fails_is_tried_five_times_and_then_failed(store):
    states = []
    with store.write() as conn:
        while (held := claim(conn)) is not None:
            states.append(runs.fail(conn, held, error=f"attempt {held.attempt} \0\ud800"))
        assert states == ["queued"] * 4 + ["failed"]
        job = runs.get_job(conn, id=1)
        assert (job.state, job.attempt, job.error) == ("failed", 5, "attempt 5 \\u0000\\ud800")


def test_a_retry_waits_as_long_as_it_was_told(store):
    with store.write() as conn:
        held = claim(conn)
        assert held is not None
        runs.fail(conn, held, error="x", retry_in_us=HOUR_US)
        assert claim(conn) is None
        assert runs.next_queued(conn) is None


def test_the_fifth_owner_that_dies_is_swept_to_failed(store):
    for attempt in range(1, 6):
        with store.write() as conn:
            assert runs.left_behind(conn) == []
        assert lapsed(store).attempt == attempt
    with store.write() as conn:
        assert claim(conn) is None
        [id] = runs.left_behind(conn)
        swept = runs.sweep(conn, id=id)
        assert (swept.job, swept.subject, swept.scheduled_us, swept.state) == ("evaluate", "1", 0, "failed")
        assert swept.error == "the process that ran it stopped"
        assert (runs.left_behind(conn), runs.sweep(conn, id=id)) == ([], None)


def test_a_released_run_is_free_at_once_and_costs_no_attempt(store):
    with store.write() as conn:
        held = claim(conn)
        assert held is not None
        runs.release(conn, held)
        again = claim(conn, owner="b")
        assert again is not None
        assert (again.attempt, again.fence) == (1, 2)


def test_a_queued_run_keeps_its_parameters_and_is_taken_oldest_first(store):
    with store.write() as conn:
        later = runs.enqueue(conn, job="relayout", subject="1", scheduled_us=9)
        sooner = runs.enqueue(conn, job="evaluate", subject="1", scheduled_us=3, params={"from": 1, "to": None})
        assert runs.enqueue(conn, job="evaluate", subject="1", scheduled_us=3) == sooner
        job = runs.next_queued(conn)
        assert job is not None
        assert (job.id, job.state, job.params) == (sooner, "queued", {"from": 1, "to": None})
        assert [run.id for run in runs.list_open(conn)] == [sooner, later]
        assert [run.id for run in runs.list_open(conn, jobs=["relayout"])] == [later]
        held = claim(conn, scheduled_us=3)
        assert held is not None
        assert (held.id, held.attempt, held.params) == (sooner, 1, {"from": 1, "to": None})


def test_progress_stays_between_nothing_and_all(store):
    with store.write() as conn:
        held = claim(conn)
        assert held is not None
        for given, kept in ((0.5, 0.5), (7, 1.0), (-1, 0.0)):
            runs.progress(conn, held, ratio=given)
            assert runs.get_job(conn, id=held.id).progress == kept


@pytest.mark.parametrize("id", [0, -1, 5, 10**30])
def test_a_job_that_never_was_is_not_found(id, store):
    with store.read() as conn, pytest.raises(NotFound):
        runs.get_job(conn, id=id)


def test_ended_runs_are_removed_by_age_and_open_ones_stay(store):
    with store.write() as conn:
        for scheduled_us in range(4):
            held = claim(conn, scheduled_us=scheduled_us)
            if scheduled_us < 3:
                runs.finish(conn, held)
        future = dialect.read_clock_us(conn) + HOUR_US
        assert [runs.purge_runs(conn, before_us=future, limit=2) for _ in range(3)] == [2, 1, 0]
        assert runs.get_run(conn, job="evaluate", subject="1", scheduled_us=3) is not None


def soon(conn, *, scheduled_us=5, subject="1"):
    runs.enqueue_soon(conn, job="relearn", subject=subject, scheduled_us=scheduled_us, delay_us=HOUR_US)


def relearning(conn):
    found = (runs.get_run(conn, job="relearn", subject="1", scheduled_us=at) for at in range(20))
    return [(run.scheduled_us, run.state) for run in found if run is not None]


def no_wait(conn):
    conn.execute(tables.job_run.update().where(tables.job_run.c.state == "queued").values(lease_us=0))


def test_a_run_that_waits_serves_all_who_ask_and_one_that_began_none(store):
    with store.write() as conn:
        soon(conn)
        soon(conn, scheduled_us=9)
        soon(conn, subject="2")
        assert relearning(conn) == [(5, "queued")]
        assert runs.list_open(conn) == []  # not before its time
        no_wait(conn)
        held = runs.claim(conn, job="relearn", subject="1", scheduled_us=5, owner="a", lease_us=HOUR_US)
        soon(conn, scheduled_us=5)  # the same instant: it is scheduled behind the one that began
        assert relearning(conn) == [(5, "running"), (6, "queued")]
        runs.finish(conn, held)
        soon(conn, scheduled_us=3)
        assert relearning(conn) == [(5, "done"), (6, "queued")]


def test_a_waiting_run_begins_only_when_what_it_is_asked_to_see_is_there(store):
    taken = []

    def take():
        with store.write() as conn:
            taken.append(runs.claim(conn, job="relearn", subject="1", scheduled_us=5, owner="a", lease_us=HOUR_US))

    with store.write() as conn:
        soon(conn)
        no_wait(conn)
    thread = threading.Thread(target=take)
    with store.write() as conn:
        soon(conn, scheduled_us=9)
        thread.start()
        thread.join(0.5)
        assert taken == []
    thread.join(10)
    assert taken[0] is not None
    with store.read() as conn:
        assert relearning(conn) == [(5, "running")]
