"""Versions whose references are to be cut anew: what is configured changed, or another reference is active."""

from __future__ import annotations

from monitor.evaluate.resegment import is_outdated, request_resegment
from monitor.model.errors import NotFound
from monitor.store.cuts import maybe_cut_versions
from monitor.store.engine import Store


class SegmentLook:
    """Looks for them; remembers which versions it has seen as they are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._settled: dict[int, tuple[int, int]] = {}  # by version id: the revisions of model and version

    def look(self, *, now_us: int) -> int:
        """How many versions are to have their reference cut anew; a job does it."""
        with self._store.read() as conn:
            found = maybe_cut_versions(conn)
        self._settled = {id: seen for id, seen in self._settled.items() if found.get(id) == seen}
        return sum(
            self._ask(id, revisions=revisions, now_us=now_us)
            for id, revisions in found.items()
            if id not in self._settled
        )

    def _ask(self, version_id: int, *, revisions: tuple[int, int], now_us: int) -> bool:
        try:
            with self._store.read() as conn:
                outdated = is_outdated(conn, version_id=version_id)
        except NotFound:  # deleted meanwhile
            return False
        if outdated:
            with self._store.write() as conn:
                request_resegment(conn, version_id=version_id, now_us=now_us)
        else:
            self._settled[version_id] = revisions
        return outdated
