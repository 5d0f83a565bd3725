"""What was said of alerts, as the API shows it with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from monitor.api.said import shown_name
from monitor.evaluate.held import held_now, held_shape
from monitor.model.handling import Word, WordKind
from monitor.model.silences import Held
from monitor.model.time import rfc3339
from monitor.store import handling
from monitor.store.silences import snoozes_since
from monitor.store.transitions import StoredTransition


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What was said of some alerts, by their ids, and what holds back those that fire."""

    words: Mapping[int, Mapping[WordKind, Word]]
    held: Mapping[tuple[int, str, str], Held]  # by version id, check and segment
    snoozing: frozenset[int]  # the alerts whose snoozes hold
    now_us: int

    @classmethod
    def read(cls, conn: Connection, found: Sequence[StoredTransition], *, now_us: int) -> Handled:
        """That of those alerts."""
        words = handling.words_of(conn, transition_ids=[row.id for row in found])
        firing = {row.version_id for row in found if row.state == "firing"}
        snoozes = snoozes_since(conn, since_us=now_us) if any("snooze" in said for said in words.values()) else {}
        return cls(
            words=words, held=held_now(conn, version_ids=firing, now_us=now_us), now_us=now_us,
            snoozing=frozenset(snooze.transition_id for some in snoozes.values() for snooze in some),
        )  # fmt: skip

    def shape(self, row: StoredTransition) -> dict[str, Any]:
        """``acknowledged`` and ``snoozed`` while they hold, ``verdict``, ``held_back`` while it fires; else null."""
        words, change = self.words.get(row.id, {}), row.transition
        verdict = words.get("verdict")
        held = self.held.get((row.version_id, change.check, change.segment)) if row.state == "firing" else None
        return {
            "acknowledged": self._held(words.get("acknowledge")),
            "snoozed": self._held(words.get("snooze") if row.id in self.snoozing else None),
            "held_back": held_shape(held),
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
