"""Group commit: one writer thread stores whatever requests have gathered, predictions and labels, in one durable
transaction.

Keys are inserted first and only the winners' records join; a conflict, or a version or model deleted meanwhile, costs
nobody else anything. An answer leaves only after the commit has returned.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from monitor.ingest.commit_watch import CommitWatch
from monitor.ingest.stored import count_stored, live_scopes, store_labels, store_predictions
from monitor.ingest.work import Committed, PredictionWork, Work, merged
from monitor.model.errors import DriftlineError, InvalidInput, NotFound, Unavailable
from monitor.store import Store, keys
from monitor.store.keys import KeyAnswer
from monitor.telemetry import Telemetry
from monitor.tracing import spanned

_log = logging.getLogger(__name__)
_GROUP_BYTES = 32 << 20
_GROUP_REQUESTS = 5_000
_CROWD = 8  # requests at once from which on a commit waits for more
_LINGER_SECONDS = 0.002
_MOST_LINKS = 64  # of a trace to the requests that rode on the commit
Outcome = Committed | DriftlineError


class GroupCommitter:
    """The writer thread and its queue. ``stop`` commits what waits, then refuses with ``Unavailable``."""

    def __init__(self, store: Store, telemetry: Telemetry, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._telemetry = telemetry
        self._clock = clock
        self._gathering: list[Work] = []  # touched by the event loop only
        self._waiting: deque[Work] = deque()
        self._wake = threading.Condition(threading.Lock())
        self._stopped = False
        self.watch = CommitWatch()
        self._thread = threading.Thread(target=self._run, name="driftline-commit", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Queue the work; its future resolves after the commit it rides on. Called in the future's event loop.

        What one turn of the loop submits is handed over together: one wake-up, and larger groups.
        """
        if self._stopped:
            raise Unavailable("the server is shutting down: send again", retry_after_seconds=2)
        if not self._gathering:
            work.future.get_loop().call_soon(self._hand_over)
        self._gathering.append(work)

    def _hand_over(self) -> None:
        with self._wake:
            self._waiting.extend(self._gathering)
            self._gathering.clear()
            self._wake.notify()

    def stop(self) -> None:
        """Commit what waits and end the thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        expected = 0
        while True:
            with self._wake:
                while not self._waiting and not self._stopped:
                    self._wake.wait()
                if not self._waiting:
                    return
                if expected >= _CROWD:
                    self._linger(expected * 9 // 10)
                group = self._gathered()
            with self.watch.storing():
                outcomes = self._outcomes(group)
            self.watch.note(outcomes)
            resolve(zip(group, outcomes, strict=True))
            expected = len(group) + len(self._waiting)

    def _linger(self, crowd: int) -> None:
        """Wait a little for those who rode the last commits: a commit costs the same for sixty as for twenty."""
        until = time.monotonic() + _LINGER_SECONDS
        while len(self._waiting) < crowd and not self._stopped:
            left = until - time.monotonic()
            if left <= 0 or not self._wake.wait(left):
                return

    def _gathered(self) -> list[Work]:
        group: list[Work] = []
        size = 0
        while self._waiting and len(group) < _GROUP_REQUESTS and size < _GROUP_BYTES:
            work = self._waiting.popleft()
            size += work.size
            group.append(work)
        return group

    def _outcomes(self, group: list[Work]) -> list[Outcome]:
        """What each request is told. A failure that is not the database's absence is narrowed to its request."""
        began = time.perf_counter()
        links = [w.origin for w in group[:_MOST_LINKS] if w.origin is not None]
        try:
            riding = {"driftline.requests": len(group)}
            with spanned(self._telemetry.tracer, "group commit", attributes=riding, links=links):
                outcomes = self._commit(group)
        except Unavailable as error:
            return [error] * len(group)
        except Exception:
            if len(group) > 1:
                return [outcome for work in group for outcome in self._outcomes([work])]
            _log.exception("a request of %s could not be stored", group[0].subject)
            return [Unavailable("the records could not be stored: the server's log says why", retry_after_seconds=5)]
        self._telemetry.commit_seconds.observe(time.perf_counter() - began)
        return outcomes

    def _commit(self, group: list[Work]) -> list[Outcome]:
        free = merged([w for w in group if isinstance(w, PredictionWork) and w.key is None])
        with self._store.write() as conn:
            live = live_scopes(conn, scopes={w.scope for w in group})
            keyed = [w for w in group if w.key is not None and w.scope in live]
            claims = [(w.scope, w.route, w.key or "", w.digest) for w in keyed]
            won = keys.claim_keys(conn, claims, now_us=self._clock()) if claims else set()
            outcomes: list[Outcome] = []
            winners: list[Work] = []
            for work in group:
                claim = (work.scope, work.route, work.key or "")
                if work.scope not in live:
                    outcomes.append(NotFound(f"{work.subject} was deleted meanwhile"))
                elif work.key is None or claim in won:
                    won.discard(claim)  # of two in one group the first is the winner
                    winners.append(work)
                    outcomes.append(Committed(work.answer))
                else:
                    stored = keys.find_key(conn, version_id=claim[0], route=claim[1], key=claim[2])
                    outcomes.append(_replayed(stored, work))
            store_predictions(conn, winners, merged_before=[b for b in free if b.version_id in live])
            store_labels(conn, winners)
            keys.save_answers(conn, [_key_answer(w) for w in winners if w.key is not None])
        count_stored(self._telemetry, winners)
        return outcomes


def replay(stored: keys.StoredAnswer, *, digest: str, key: str) -> Committed:
    """The first answer to the key, or ``InvalidInput`` where another body had it."""
    if stored.digest != digest:
        raise InvalidInput(
            f"Idempotency-Key {key[:60]!r} was used with another body: expected the same body or a new key",
            code="key_reused",
        )
    return Committed(stored.answer, replayed=True)


def resolve(outcomes: Iterable[tuple[Work, Outcome]]) -> None:
    """Set every future, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Work, Outcome]]] = {}
    for work, outcome in outcomes:
        by_loop.setdefault(work.future.get_loop(), []).append((work, outcome))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell, told)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _tell(told: list[tuple[Work, Outcome]]) -> None:
    for work, outcome in told:
        if work.future.done():  # the client went away
            continue
        if isinstance(outcome, Committed):
            work.future.set_result(outcome)
        else:
            work.future.set_exception(outcome)


def _replayed(stored: keys.StoredAnswer | None, work: Work) -> Outcome:
    if stored is None:  # the rival's transaction was rolled back after it had blocked ours
        return Unavailable("the first request with this key failed meanwhile: send again")
    try:
        return replay(stored, digest=work.digest, key=work.key or "")
    except InvalidInput as error:
        return error


def _key_answer(work: Work) -> KeyAnswer:
    return KeyAnswer(version_id=work.scope, route=work.route, key=work.key or "", status=200, answer=work.answer)
