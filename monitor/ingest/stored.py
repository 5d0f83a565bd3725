"""What a group commit writes within its transaction, by kind, and how it is counted after it."""

from __future__ import annotations

from collections.abc import Sequence, Set

from prometheus_client import Counter
from sqlalchemy import Connection

from monitor.ingest.work import LabelWork, PredictionWork, Work, merged
from monitor.store import batches, label_quarantine, labels, models, quarantine
from monitor.store.batches import NewBatch
from monitor.store.keys import model_scope
from monitor.telemetry import Telemetry


def live_scopes(conn: Connection, *, scopes: Set[int]) -> set[int]:
    """Those of the scopes whose version or model is live now."""
    version_ids = {scope for scope in scopes if scope > 0}
    model_ids = {-scope for scope in scopes if scope < 0}
    live = models.live_version_ids(conn, ids=version_ids) if version_ids else set()
    if model_ids:
        live |= {model_scope(id) for id in models.live_model_ids(conn, ids=model_ids)}
    return live


def store_predictions(conn: Connection, winners: Sequence[Work], *, merged_before: Sequence[NewBatch]) -> None:
    """Writes the records of the winners; the rows of those without a key were merged before."""
    works = [w for w in winners if isinstance(w, PredictionWork)]
    new = [*merged_before, *merged([w for w in works if w.key is not None])]
    new += [b for w in works for b in w.batches]
    batches.insert_batches(conn, new)
    quarantine.insert_quarantine(conn, [q for w in works for q in w.quarantine])


def store_labels(conn: Connection, winners: Sequence[Work]) -> None:
    """Writes the labels of the winners, in their order: of two for one record the later counts."""
    works = [w for w in winners if isinstance(w, LabelWork)]
    labels.insert_labels(conn, [b for w in works for b in w.batches])
    label_quarantine.insert_quarantine(conn, [q for w in works for q in w.quarantine])


def count_stored(telemetry: Telemetry, winners: Sequence[Work]) -> None:
    """Counts what is on disk, once a group for each version and model."""
    records: dict[tuple[str, str], list[int]] = {}
    labelled: dict[str, list[int]] = {}
    for work in winners:
        if isinstance(work, PredictionWork):
            sums = records.setdefault((work.target.model.name, work.target.version.name), [0, 0, 0])
            sums[2] += work.duplicates
        elif isinstance(work, LabelWork):
            sums = labelled.setdefault(work.target.model.name, [0, 0])
        sums[0] += work.stored
        sums[1] += len(work.quarantine)
    for names, sums in records.items():
        _count(telemetry.records, names, stored=sums[0], quarantined=sums[1], duplicate=sums[2])
    for model, sums in labelled.items():
        _count(telemetry.labels, (model,), stored=sums[0], quarantined=sums[1])


def _count(counter: Counter, names: tuple[str, ...], **results: int) -> None:
    """Counts the results of which there are some."""
    for result, count in results.items():
        if count:
            counter.labels(*names, result).inc(count)
