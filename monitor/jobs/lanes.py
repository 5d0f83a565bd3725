"""Where the work of a version runs: a few threads, and one of its own for versions that were slow or failed.

A version has at most one piece of work at a time. One that took long or failed last time waits in the slow lane,
so that a poison model costs the others one thread once, for as long as its first slow run lasts; and a thread that
is held for longer than that is replaced meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Task = Callable[[], bool]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lane:
    waiting: deque[tuple[int, Task]] = field(default_factory=deque)
    running: dict[int, float] = field(default_factory=dict)  # version id → when it began
    threads: int = 0
    wanted: int = 1


class Lanes:
    """Runs tasks, keyed by version; a task says whether it went well. ``slow_seconds`` is what counts as long."""

    def __init__(self, *, workers: int, slow_seconds: float) -> None:
        self._lanes = {"usual": _Lane(wanted=workers), "slow": _Lane()}
        self._workers = workers
        self._slow_seconds = slow_seconds
        self._slow: set[int] = set()
        self._busy: set[int] = set()
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, version_id: int, task: Task) -> bool:
        """Whether the task was taken: not while the version has one already, nor after ``close``."""
        with self._changed:
            if self._closed or version_id in self._busy:
                return False
            self._busy.add(version_id)
            lane = self._lanes["slow" if version_id in self._slow else "usual"]
            lane.waiting.append((version_id, task))
            self._staff()
            self._changed.notify_all()
            return True

    def busy(self, version_id: int) -> bool:
        """Whether the version has a task that waits or runs."""
        with self._changed:
            return version_id in self._busy

    def replace_held_threads(self) -> None:
        """Adds a thread for each one that has been held for longer than ``slow_seconds``."""
        with self._changed:
            usual = self._lanes["usual"]
            held = sum(time.monotonic() - began > self._slow_seconds for began in usual.running.values())
            usual.wanted = self._workers + held
            self._staff()

    def close(self, *, grace_seconds: float) -> bool:
        """Whether everything that ran ended in time; what had not begun is dropped."""
        until = time.monotonic() + grace_seconds
        with self._changed:
            self._closed = True
            for lane in self._lanes.values():
                lane.waiting.clear()
            self._changed.notify_all()
            while any(lane.running for lane in self._lanes.values()):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def _staff(self) -> None:
        for name, lane in self._lanes.items():
            while lane.threads < lane.wanted and lane.threads < len(lane.waiting) + len(lane.running):
                lane.threads += 1
                threading.Thread(target=self._work, args=(lane,), name=f"driftline-{name}", daemon=True).start()

    def _work(self, lane: _Lane) -> None:
        while (taken := self._take(lane)) is not None:
            version_id, task = taken
            began = time.monotonic()
            went_well = False
            try:
                went_well = task()
            except Exception:
                _log.exception("the work of version %d failed", version_id)
            finally:
                self._done(lane, version_id, well=went_well and time.monotonic() - began <= self._slow_seconds)

    def _take(self, lane: _Lane) -> tuple[int, Task] | None:
        with self._changed:
            while not lane.waiting:
                if self._closed or lane.threads > lane.wanted:
                    lane.threads -= 1
                    return None
                self._changed.wait()
            version_id, task = lane.waiting.popleft()
            lane.running[version_id] = time.monotonic()
            return version_id, task

    def _done(self, lane: _Lane, version_id: int, *, well: bool) -> None:
        with self._changed:
            del lane.running[version_id]
            self._busy.discard(version_id)
            if well:
                self._slow.discard(version_id)
            else:
                self._slow.add(version_id)
            self._changed.notify_all()
