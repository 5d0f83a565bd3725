"""The open window on demand: what waits is folded, the rows so far are judged; kept a minute, stored nowhere."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from monitor.evaluate.fold import Folder
from monitor.evaluate.window import Evaluator
from monitor.model.errors import FenceLost
from monitor.model.time import MINUTE_US
from monitor.store.engine import Store
from monitor.store.models import get_version_by_id
from monitor.store.results import StoredResult
from monitor.store.windows import WindowRow

KEPT_US = MINUTE_US
_MOST_KEPT = 1_000
_MOST_SLICES = 40  # ten million rows; what waits beyond that is not in the answer yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The open window as it is judged now; ``results`` of all traffic and of each segment have revision 0."""

    window: WindowRow
    results: tuple[StoredResult, ...]


class OpenWindows:
    """Judges the open window of a version when somebody asks."""

    def __init__(self, store: Store, *, folder: Folder, evaluator: Evaluator) -> None:
        self._store = store
        self._folder = folder
        self._evaluator = evaluator
        self._kept: OrderedDict[int, tuple[int, Partial | None]] = OrderedDict()
        self._lock = Lock()

    def partial(self, *, version_id: int, now_us: int) -> Partial | None:
        """The window that holds now, judged with the rows folded so far; None while it has none."""
        with self._lock:
            kept = self._kept.get(version_id)
        if kept is not None and 0 <= now_us - kept[0] < KEPT_US:
            return kept[1]
        self._fold(version_id=version_id, now_us=now_us)
        with self._store.read() as conn:
            model, _ = get_version_by_id(conn, id=version_id)
        found = self._judge(version_id=version_id, start_us=model.window.start_of(now_us), now_us=now_us)
        with self._lock:
            self._kept[version_id] = (now_us, found)
            self._kept.move_to_end(version_id)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def _fold(self, *, version_id: int, now_us: int) -> None:
        for _ in range(_MOST_SLICES):
            try:
                folded = self._folder.fold_slice(version_id=version_id, now_us=now_us)
            except FenceLost:  # a job folds it right now
                return
            if folded is None or not folded.more:
                return

    def _judge(self, *, version_id: int, start_us: int, now_us: int) -> Partial | None:
        try:
            seen = self._evaluator.read(version_id=version_id, start_us=start_us)
        except FenceLost:  # what it is held against changes right now
            return None
        if seen is None:
            return None
        rulings = self._evaluator.rule(seen, now_us=now_us)
        return Partial(window=seen.window, results=tuple(one.result(revision=0, now_us=now_us) for one in rulings))
