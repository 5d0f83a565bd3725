"""What is repeated comes again until it is closed, and no longer."""

from __future__ import annotations

import threading
import time

import pytest

from monitor.repeated import Repeated

NAME = "driftline-repeated"
PATIENCE_SECONDS = 30


class Work:
    """Notes when it is called and on which thread; what ``hold`` is set for is waited for."""

    def __init__(self):
        self.calls = []
        self.called, self.free = threading.Semaphore(0), threading.Event()
        self.free.set()

    def __call__(self):
        self.calls.append((time.monotonic(), threading.current_thread()))
        self.called.release()
        self.free.wait(PATIENCE_SECONDS)

    def wait(self, *, times=1):
        for _ in range(times):
            assert self.called.acquire(timeout=PATIENCE_SECONDS)


@pytest.fixture
def work():
    made = Work()
    yield made
    made.free.set()


def test_it_is_called_again_and_again_that_long_apart_by_one_daemon_of_that_name(work):
    repeated = Repeated(work, every_seconds=0.05, name=NAME)
    began = time.monotonic()
    repeated.start()
    work.wait(times=3)
    repeated.close()
    whens, threads = zip(*work.calls, strict=True)
    assert all(later - earlier >= 0.045 for earlier, later in zip((began, *whens), whens, strict=False))
    assert {(thread.name, thread.daemon, thread.is_alive()) for thread in threads} == {(NAME, True, False)}
    assert len(set(threads)) == 1


def test_no_call_comes_after_it_is_closed_however_long_it_would_have_waited(work):
    repeated = Repeated(work, every_seconds=3_600, name=NAME)
    repeated.start()
    began = time.monotonic()
    repeated.close()
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert work.calls == []
    assert NAME not in [thread.name for thread in threading.enumerate()]


def test_at_once_the_first_call_waits_for_nothing_and_the_second_does(work):
    repeated = Repeated(work, every_seconds=3_600, name=NAME, at_once=True)
    repeated.start()
    work.wait()
    repeated.close()
    assert len(work.calls) == 1


def test_closing_waits_for_the_call_that_runs(work):
    work.free.clear()
    repeated = Repeated(work, every_seconds=0.01, name=NAME)
    repeated.start()
    work.wait()
    closing = threading.Thread(target=repeated.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    work.free.set()
    closing.join(PATIENCE_SECONDS)
    assert not closing.is_alive()
    assert len(work.calls) == 1


def test_closing_waits_no_longer_than_it_may_and_the_call_that_runs_is_the_last_also_if_it_starts_again(work):
    work.free.clear()
    repeated = Repeated(work, every_seconds=0.01, name=NAME, close_seconds=0.05)
    repeated.start()
    work.wait()
    began = time.monotonic()
    repeated.close()
    assert time.monotonic() - began < PATIENCE_SECONDS
    (_, first), *_ = work.calls
    assert first.is_alive()
    repeated.start()
    work.wait()
    work.free.set()
    first.join(PATIENCE_SECONDS)
    assert not first.is_alive()
    assert [thread for _, thread in work.calls].count(first) == 1
    repeated.close()


def test_closed_it_can_be_started_again_and_closing_what_never_started_is_nothing(work):
    repeated = Repeated(work, every_seconds=0.01, name=NAME)
    repeated.close()
    for _ in range(2):
        repeated.start()
        work.wait()
        repeated.close()
    assert len({thread for _, thread in work.calls}) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_the_work_lets_through_ends_it(work):
    def fail():
        work()
        raise ValueError("away")

    repeated = Repeated(fail, every_seconds=0.01, name=NAME)
    repeated.start()
    work.wait()
    (_, thread), *_ = work.calls
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    repeated.close()
    assert len(work.calls) == 1
