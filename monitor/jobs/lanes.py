"""Where the work of a version, or of a model's labels, runs: a few threads, and one for what was slow or failed.

A subject has at most one piece of work at a time. One that took long or failed last time waits in the slow lane,
so that a poison model costs the others one thread once, for as long as its first slow run lasts; and a thread that
is held for longer than that is replaced meanwhile, eight of them at most. What is held for longer than the patience
hangs: a thread cannot be ended from outside, so its subject gets no other one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

Task = Callable[[], bool]
_log = logging.getLogger(__name__)
_MOST_REPLACED = 8  # threads in place of held ones: of a thousand slow versions not each gets one


def _nothing() -> None:
    """What an idle lane does of itself."""


@dataclass(slots=True)
class _Lane:
    waiting: deque[tuple[Hashable, Task]] = field(default_factory=deque)
    running: dict[Hashable, float] = field(default_factory=dict)  # subject → when it began
    threads: int = 0
    usual: int = 1
    wanted: int = 1
    held_seconds: float = 0.0  # held for longer than this, a thread is replaced


class Lanes:
    """Runs tasks, keyed by their subject; a task says whether it went well. ``slow_seconds`` is what counts as long.

    ``idle`` is called by a thread of the usual lane that is about to find nothing more to do.
    """

    def __init__(
        self, *, workers: int, slow_seconds: float, patience_seconds: float = 300.0,
        idle: Callable[[], None] = _nothing,
    ) -> None:  # fmt: skip
        self._usual = _Lane(usual=workers, wanted=workers, held_seconds=slow_seconds)
        self._lanes = {"usual": self._usual, "slow": _Lane(held_seconds=patience_seconds)}
        self._slow_seconds = slow_seconds
        self._patience_seconds = patience_seconds
        self._idle = idle
        self._slow: set[Hashable] = set()
        self._busy: set[Hashable] = set()
        self._changed = threading.Condition()
        self._closed = False

    def submit(self, subject: Hashable, task: Task) -> bool:
        """Whether the task was taken: not while the subject has one already, nor after ``close``."""
        with self._changed:
            if self._closed or subject in self._busy:
                return False
            self._busy.add(subject)
            lane = self._lanes["slow"] if subject in self._slow else self._usual
            lane.waiting.append((subject, task))
            self._staff()
            self._changed.notify_all()
            return True

    def busy(self, subject: Hashable) -> bool:
        """Whether the subject has a task that waits or runs."""
        with self._changed:
            return subject in self._busy

    def hungry(self) -> bool:
        """Whether the usual lane has fewer tasks waiting than threads."""
        with self._changed:
            return not self._closed and len(self._usual.waiting) < self._usual.usual

    def hanging(self) -> dict[Hashable, float]:
        """Subject → seconds, of what has run for longer than the patience."""
        now = time.monotonic()
        with self._changed:
            began = {subject: at for lane in self._lanes.values() for subject, at in lane.running.items()}
        return {subject: now - at for subject, at in began.items() if now - at > self._patience_seconds}

    def replace_held_threads(self) -> None:
        """Adds a thread for each one that has been held for long."""
        now = time.monotonic()
        with self._changed:
            for lane in self._lanes.values():
                held = sum(now - began > lane.held_seconds for began in lane.running.values())
                lane.wanted = lane.usual + min(held, _MOST_REPLACED)
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
            subject, task = taken
            began = time.monotonic()
            went_well = False
            try:
                went_well = task()
            except Exception:
                _log.exception("the work of %s failed", subject)
            finally:
                self._done(lane, subject, well=went_well and time.monotonic() - began <= self._slow_seconds)
            if lane is self._usual and self.hungry():
                self._idle()

    def _take(self, lane: _Lane) -> tuple[Hashable, Task] | None:
        with self._changed:
            while not lane.waiting:
                if self._closed or lane.threads > lane.wanted:
                    lane.threads -= 1
                    return None
                self._changed.wait()
            subject, task = lane.waiting.popleft()
            lane.running[subject] = time.monotonic()
            return subject, task

    def _done(self, lane: _Lane, subject: Hashable, *, well: bool) -> None:
        with self._changed:
            del lane.running[subject]
            self._busy.discard(subject)
            if well:
                self._slow.discard(subject)
            else:
                self._slow.add(subject)
            self._changed.notify_all()
