"""Retention by age, subject after subject: what is past its time goes; one that cannot be done holds up no other."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from monitor.evaluate.aging import age
from monitor.evaluate.context import Contexts
from monitor.evaluate.outdating import outdate, outdate_labels
from monitor.model.errors import FenceLost, Held, NotFound, Unavailable
from monitor.model.retention import Retention, retention_of
from monitor.store.engine import Store
from monitor.store.models import get_model_by_id
from monitor.store.sealing import Kept, kept_versions

_log = logging.getLogger(__name__)
TURN_SECONDS = 30.0  # then the rest of upkeep has its turn, and this goes on


class _Work(Protocol):
    def __call__(self, *, now_us: int, going: Callable[[], bool]) -> None: ...


class Ages:
    """Removes what is past its time from all versions of one store but those of models under a legal hold."""

    def __init__(self, store: Store, *, contexts: Contexts, retention: Retention) -> None:
        self._store = store
        self._contexts = contexts
        self._retention = retention
        self._left: deque[_Work] = deque()

    def run(self, *, now_us: int) -> bool:
        """Whether everything that is past its time is gone. Else call it again soon: it goes on where it was, and what
        took the rest of its turn comes last.
        """
        until = time.monotonic() + TURN_SECONDS

        def going() -> bool:
            return time.monotonic() < until

        if not self._left:
            self._left.extend(self._all())
        while self._left:
            one = self._left.popleft()
            try:
                one(now_us=now_us, going=going)
            except Unavailable:
                self._left.append(one)
                raise
            if not going():
                self._left.append(one)
                return False
        return True

    def _all(self) -> Iterator[_Work]:
        with self._store.read() as conn:
            versions = kept_versions(conn)
        for version in versions:
            yield partial(self._one, partial(self._version, version), of=f"version {version.id}")
        for model_id in sorted({version.model_id for version in versions}):
            yield partial(self._one, partial(self._labels, model_id), of=f"model {model_id}")

    def _version(self, version: Kept, *, now_us: int, going: Callable[[], bool]) -> None:
        id, retention = version.id, self._of(version.model_id)
        aged = age(
            self._store, contexts=self._contexts, version_id=id, retention=retention, now_us=now_us, going=going
        )  # fmt: skip
        removed = outdate(self._store, version_id=id, retention=retention, now_us=now_us, going=going)
        if aged.rows or aged.windows or removed:
            _log.info(
                "version %d: %d windows sealed, %d records and %d other rows past their time removed",
                id, aged.windows, aged.rows, removed,
            )  # fmt: skip

    def _labels(self, model_id: int, *, now_us: int, going: Callable[[], bool]) -> None:
        outdate_labels(self._store, model_id=model_id, retention=self._of(model_id), now_us=now_us, going=going)

    def _of(self, model_id: int) -> Retention:
        """What is set for all, unless the model says otherwise."""
        with self._store.read() as conn:
            return retention_of(get_model_by_id(conn, id=model_id), usual=self._retention)

    def _one(self, work: _Work, *, of: str, now_us: int, going: Callable[[], bool]) -> None:
        try:
            work(now_us=now_us, going=going)
        except (FenceLost, Held, NotFound) as other:  # somebody else does it, or it was held or deleted meanwhile
            _log.info("retention of %s goes on at the next turn: %s", of, other)
        except Unavailable:
            raise
        except Exception:  # whatever it is, the others do not wait for it
            _log.exception("retention of %s failed: what is past its time stays until the next turn", of)
