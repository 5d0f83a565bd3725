"""Decoded values that are asked for again and again, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar, cast

_T = TypeVar("_T")


class Kept:
    """Values made lately, by key, at most ``limit`` bytes of them; safe for threads.

    A value may be made twice, never torn. What takes longest to be asked for again goes first.
    """

    def __init__(self, *, limit: int) -> None:
        self._left = limit
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, *, make: Callable[[], _T], weigh: Callable[[_T], int]) -> _T:
        """The kept value of the key, or the one ``make`` brings; ``weigh`` says how many bytes it holds."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast(_T, self._values[key][0])
        made = make()
        if made is None:  # what is not there yet may come
            return made
        weight = weigh(made)
        with self._lock:
            if key not in self._values:
                self._values[key] = (made, weight)
                self._left -= weight
            while self._left < 0 and len(self._values) > 1:
                self._left += self._values.popitem(last=False)[1][1]
        return made
