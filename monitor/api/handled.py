"""What was said of alerts, as the API shows it with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from monitor.api.said import shown_name
from monitor.model.handling import Word, WordKind
from monitor.model.time import rfc3339
from monitor.store import handling
from monitor.store.transitions import StoredTransition


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What was said of some alerts, by their ids."""

    words: Mapping[int, Mapping[WordKind, Word]]
    now_us: int

    @classmethod
    def read(cls, conn: Connection, found: Sequence[StoredTransition], *, now_us: int) -> Handled:
        """That of those alerts."""
        return cls(words=handling.words_of(conn, transition_ids=[row.id for row in found]), now_us=now_us)

    def shape(self, row: StoredTransition) -> dict[str, Any]:
        """``acknowledged`` while it holds and ``verdict``, each null where nobody said so."""
        words = self.words.get(row.id, {})
        acknowledged, verdict = words.get("acknowledge"), words.get("verdict")
        return {
            "acknowledged": self._held(acknowledged),
            "verdict": None if verdict is None else {"was": verdict.was, **said_shape(verdict)},
        }

    def _held(self, word: Word | None) -> dict[str, Any] | None:
        if word is None or not word.holds(self.now_us):
            return None
        until = None if word.until_us is None else rfc3339(word.until_us)
        return {**said_shape(word), "until": until}


def said_shape(word: Word) -> dict[str, Any]:
    """Who said it, when and why."""
    return {"by": shown_name(word.by), "at": rfc3339(word.at_us), "reason": word.reason}
