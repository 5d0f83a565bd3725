"""Windows computed again from stored rows, against the active reference: ``POST …/evaluate``."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from monitor.evaluate.guard import Guard, Moved
from monitor.evaluate.window import Evaluator
from monitor.store.engine import Store
from monitor.store.models import get_version_by_id
from monitor.store.runs import enqueue
from monitor.store.windows import list_windows

RECOMPUTE = "recompute"
_TRIES = 3
_PAGE = 1_000


def request_recompute(conn: Connection, *, version_id: int, from_us: int | None, to_us: int | None, now_us: int) -> int:
    """The id of a queued job that computes again the closed windows that start in ``[from, to)``."""
    params = {"from_us": from_us, "to_us": to_us}
    return enqueue(conn, job=RECOMPUTE, subject=str(version_id), scheduled_us=now_us, params=params)


def recompute(
    store: Store,
    *,
    evaluator: Evaluator,
    version_id: int,
    from_us: int | None,
    to_us: int | None,
    now_us: int,
    progressing: Callable[[float], Guard],
) -> int:
    """How many windows were computed again, oldest first.

    ``progressing`` gives the guard of each window's transaction, told how much is done then.
    """
    starts = _closed_starts(store, version_id=version_id, from_us=from_us, to_us=to_us, now_us=now_us)
    for position, start_us in enumerate(starts, start=1):
        guard = progressing(position / len(starts))
        for attempt in range(_TRIES):
            try:
                evaluator.evaluate(version_id=version_id, start_us=start_us, now_us=now_us, guard=guard, afresh=True)
                break
            except Moved:  # rows came: read again, and after that leave it to the next tick, for it is dirty
                if attempt == _TRIES - 1:
                    break
    return len(starts)


def _closed_starts(store: Store, *, version_id: int, from_us: int | None, to_us: int | None, now_us: int) -> list[int]:
    found: list[int] = []
    after: int | None = None
    while True:
        with store.read() as conn:
            model, _ = get_version_by_id(conn, id=version_id)
            page = list_windows(conn, version_id=version_id, from_us=from_us, to_us=to_us, after=after, limit=_PAGE)
        found += [w.start_us for w in page if w.end_us + model.lateness_us <= now_us and not w.is_sealed]
        if len(page) < _PAGE:
            return found
        after = page[-1].start_us
