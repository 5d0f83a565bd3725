"""Quarantined labels put back through ingest: stored, or quarantined again, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.columns.keyed_ids import Hashes
from monitor.columns.labels import CanonicalLabels
from monitor.columns.roles import Roles
from monitor.ingest.assemble import AS_TEXT
from monitor.ingest.label_records import LabelReading, ReceivedLabels, read_label_texts, read_label_values
from monitor.ingest.labels import Labels
from monitor.ingest.limits import MAX_ERRORS_SHOWN
from monitor.ingest.receive import quarantine_row
from monitor.ingest.replay import REPLAYED_AT_ONCE
from monitor.ingest.targets import LabelTarget
from monitor.store import Store, label_quarantine
from monitor.store.kept_aside import QuarantineRow
from monitor.store.labels import LabelBatch, insert_labels


@dataclass(frozen=True, slots=True)
class ReplayedLabels:
    """How many labels were taken out, and what became of them."""

    stored: int
    quarantined: int
    matched: int
    errors: tuple[dict[str, object], ...]

    def to_json(self) -> dict[str, Any]:
        """The answer's body."""
        return {"stored": self.stored, "quarantined": self.quarantined, "matched": self.matched,
                "waiting": self.stored - self.matched, "errors": list(self.errors)}  # fmt: skip


def replay_labels(
    store: Store, *, shared: Labels, target: LabelTarget, clock: Callable[[], int], ids: Sequence[int] | None = None
) -> ReplayedLabels:
    """Take waiting labels (``ids``, or the oldest thousand) out and put them through ingest again.

    Labels are read by the model's present task and the present clock. They count from now: a label for the same
    record that came meanwhile is replaced.
    """
    new: list[LabelBatch] = []
    still: list[QuarantineRow] = []
    errors: list[dict[str, object]] = []
    read: list[tuple[CanonicalLabels, Hashes]] = []
    with store.write() as conn:
        now_us = clock()
        taken = label_quarantine.take_for_replay(
            conn, model_id=target.model.id, now_us=now_us, ids=ids, limit=REPLAYED_AT_ONCE
        )
        for rows in _alike(taken):
            received = _again(rows, shared=shared, target=target, now_us=now_us)
            keys = shared.keys(received.labels)
            new += shared.batches(received.labels, keys=keys, target=target, received_us=now_us)
            read.append((received.labels, keys))
            errors += received.errors()
            still += [
                replace(quarantine_row(q, owner_id=target.model.id, received_us=now_us, roles=rows[0].roles),
                        position=rows[q.index].position, raw=rows[q.index].raw)
                for q in received.quarantined
            ]  # fmt: skip
        insert_labels(conn, new)
        label_quarantine.insert_quarantine(conn, still)
    return ReplayedLabels(
        stored=sum(b.rows for b in new), quarantined=len(still),
        matched=sum(shared.matched(labels, keys=keys, target=target) for labels, keys in read),
        errors=tuple(errors[:MAX_ERRORS_SHOWN]),
    )  # fmt: skip


def _alike(rows: Sequence[QuarantineRow]) -> list[list[QuarantineRow]]:
    """Rows whose fields were named and meant alike, those that are one object a row apart from the others."""
    groups: dict[str, list[QuarantineRow]] = {}
    for row in rows:
        alike = json.dumps(row.roles, sort_keys=True) + ("" if row.raw.startswith("{") else "…")
        groups.setdefault(alike, []).append(row)
    return list(groups.values())


def _again(
    rows: Sequence[QuarantineRow], *, shared: Labels, target: LabelTarget, now_us: int
) -> ReceivedLabels:  # fmt: skip
    roles = {name: value for name, value in rows[0].roles.items() if name not in AS_TEXT}
    reading = LabelReading(
        regression=target.model.task == "regression", roles=Roles.from_json(roles), received_us=now_us,
        limits=shared.limits,
    )  # fmt: skip
    records = [json.loads(row.raw) for row in rows]
    if len(roles) < len(rows[0].roles) and all(isinstance(r, dict) for r in records):
        return read_label_texts(records, reading=reading)
    return read_label_values(records, reading=reading)
