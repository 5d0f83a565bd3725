"""Connections to PostgreSQL that wait for an answer for so long, and no longer.

The network is bounded by libpq, what the server does by ``statement_timeout``. Neither holds where the server, or a
proxy before it, takes what is sent, acknowledges it, and never answers: that only who waits can end.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

ANSWER_SECONDS = 45.0  # the server ends a statement by itself after 30
_T = TypeVar("_T")


class AnsweringConnection(psycopg.Connection[Any]):
    """Closes itself with ``OperationalError`` where what was asked is not answered whole in ``answer_seconds``.

    Sending counts too, and what is sent together is one question. None waits as long as it takes.
    """

    answer_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, _T], *where: Any, **more: Any) -> _T:
        """What the generator returns; every exchange with the server comes by here."""
        if self.answer_seconds is None:
            return super().wait(gen, *where, **more)
        return super().wait(self._bounded(gen, seconds=self.answer_seconds), *where, **more)

    def _bounded(self, gen: Generator[Any, Any, _T], *, seconds: float) -> Generator[Any, Any, _T]:
        """The generator, which is asked ten times a second also when nothing comes."""
        deadline = time.monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                wanted = gen.send(ready)
                if time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has not answered for {seconds:g} s")
        except StopIteration as end:
            result: _T = end.value
            return result
