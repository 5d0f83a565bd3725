"""Looks at the process's readiness that are waited for a few seconds only, whatever what they ask does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

LOOK_SECONDS = 4.0  # the chart's probe gives up after five
MOST_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    began: float
    found: Future[list[str]] = field(default_factory=Future)


class Looks:
    """Each look has a thread of its own, ``MOST_AT_ONCE`` together: the shared ones may all wait for what hangs."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._under_way: list[_Look] = []

    def find(self, ask: Callable[[], list[str]]) -> list[str]:
        """What ``ask`` says, which may raise; a reason of its own where that takes longer than ``LOOK_SECONDS``.

        Where as many as there may be are under way, it is what the newest of them says.
        """
        look = self._begin(ask)
        try:
            return look.found.result(timeout=max(0.0, look.began + LOOK_SECONDS - time.monotonic()))
        except TimeoutError:
            if look.found.done():  # the question's own
                raise
        return [f"the database has not answered for {time.monotonic() - look.began:.0f} s"]

    def _begin(self, ask: Callable[[], list[str]]) -> _Look:
        with self._guard:
            self._under_way = [look for look in self._under_way if not look.found.done()]
            if len(self._under_way) >= MOST_AT_ONCE:
                return self._under_way[-1]
            look = _Look(began=time.monotonic())
            self._under_way.append(look)
        threading.Thread(target=_answer, args=(ask, look.found), name="driftline-look", daemon=True).start()
        return look


def _answer(ask: Callable[[], list[str]], found: Future[list[str]]) -> None:
    try:
        found.set_result(ask())
    except BaseException as error:  # told to who waits
        found.set_exception(error)
