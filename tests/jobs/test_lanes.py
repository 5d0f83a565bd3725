from __future__ import annotations

import threading
import time

from monitor.jobs.lanes import Lanes


def settled(check, *, seconds=5.0):
    until = time.monotonic() + seconds
    while not check() and time.monotonic() < until:
        time.sleep(0.005)
    return check()


def test_a_version_has_one_task_at_a_time():
    lanes, held, ran = Lanes(workers=2, slow_seconds=5.0), threading.Event(), []

    def task():
        held.wait(5)
        ran.append(1)
        return True

    assert lanes.submit(1, task)
    assert not lanes.submit(1, task)
    held.set()
    assert settled(lambda: not lanes.busy(1))
    assert ran == [1]
    assert lanes.submit(1, task)
    assert lanes.close(grace_seconds=5)


def test_a_failed_version_waits_in_the_slow_lane_and_comes_back_when_well():
    lanes, threads = Lanes(workers=1, slow_seconds=5.0), []

    def failing():
        threads.append(threading.current_thread().name)
        return False

    def well():
        threads.append(threading.current_thread().name)
        return True

    for task in (failing, well, well):
        assert lanes.submit(1, task)
        assert settled(lambda: not lanes.busy(1))
    assert threads == ["driftline-usual", "driftline-slow", "driftline-usual"]
    lanes.close(grace_seconds=5)


def test_a_task_that_raises_ends_its_thread_for_nobody():
    lanes, ran = Lanes(workers=1, slow_seconds=5.0), []

    def raising():
        raise ValueError("never mind")

    lanes.submit(1, raising)
    assert settled(lambda: not lanes.busy(1))
    lanes.submit(2, lambda: bool(ran.append(2)) or True)
    assert settled(lambda: ran == [2])
    lanes.close(grace_seconds=5)


def test_a_thread_that_is_held_too_long_is_replaced():
    lanes, held, ran = Lanes(workers=1, slow_seconds=0.05), threading.Event(), []
    lanes.submit(1, lambda: held.wait(5))
    lanes.submit(2, lambda: bool(ran.append(2)) or True)
    time.sleep(0.1)
    assert ran == []
    lanes.replace_held_threads()
    assert settled(lambda: ran == [2])
    held.set()
    assert lanes.close(grace_seconds=5)


def test_closing_waits_for_what_runs_and_drops_what_waits():
    lanes, began, held, ran = Lanes(workers=1, slow_seconds=5.0), threading.Event(), threading.Event(), []

    def task():
        began.set()
        return held.wait(5)

    lanes.submit(1, task)
    assert began.wait(5)
    lanes.submit(2, lambda: bool(ran.append(2)) or True)
    assert not lanes.close(grace_seconds=0.05)
    held.set()
    assert lanes.close(grace_seconds=5)
    assert ran == []
    assert not lanes.submit(3, lambda: True)


def test_what_is_held_beyond_all_patience_hangs_and_its_subject_gets_no_second_thread():
    lanes, held = Lanes(workers=1, slow_seconds=0.02, patience_seconds=0.05), threading.Event()
    lanes.submit(1, lambda: held.wait(5))
    assert lanes.hanging() == {}
    assert settled(lambda: list(lanes.hanging()) == [1])
    assert lanes.hanging()[1] > 0.05
    assert not lanes.submit(1, lambda: True)
    held.set()
    assert settled(lambda: lanes.hanging() == {})
    assert lanes.close(grace_seconds=5)


def test_a_slow_task_that_hangs_is_replaced_in_its_lane_too():
    lanes, held, ran = Lanes(workers=1, slow_seconds=5.0, patience_seconds=0.05), threading.Event(), []
    for subject in (1, 2):
        lanes.submit(subject, lambda: False)
        assert settled(lambda subject=subject: not lanes.busy(subject))
    lanes.submit(1, lambda: held.wait(5))
    lanes.submit(2, lambda: bool(ran.append(2)) or True)
    time.sleep(0.1)
    assert ran == []
    lanes.replace_held_threads()
    assert settled(lambda: ran == [2])
    held.set()
    assert lanes.close(grace_seconds=5)


def test_a_fleet_of_slow_versions_gets_eight_threads_more_and_not_one_each():
    lanes, held, running = Lanes(workers=1, slow_seconds=0.0), threading.Event(), []
    for subject in range(1, 21):
        lanes.submit(subject, lambda: bool(running.append(1)) or held.wait(5))
    for _ in range(20):
        lanes.replace_held_threads()
        time.sleep(0.01)
    assert len(running) == 9
    held.set()
    assert lanes.close(grace_seconds=5)


def test_a_lane_that_runs_dry_asks_for_more():
    asked, lanes = threading.Event(), None
    lanes = Lanes(workers=1, slow_seconds=5.0, idle=asked.set)
    assert lanes.hungry()
    lanes.submit(1, lambda: True)
    assert asked.wait(5)
    assert lanes.close(grace_seconds=5)
    assert not lanes.hungry()
