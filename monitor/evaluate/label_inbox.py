"""The labels of a model that wait, taken up in short reads within a bound of rows and bytes."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.evaluate.label_codec import Labels, join_labels, newest, no_labels, read_batch
from monitor.store.engine import Store
from monitor.store.labels import PAGE_BYTES, waiting_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Batches that a pass takes up: ``labels`` the last of each key, ascending; ``more`` says that others wait.

    ``rows`` are all labels of the batches; they were received from ``first_us`` to ``last_us``.
    """

    ids: list[int]
    labels: Labels
    rows: int
    first_us: int
    last_us: int
    more: bool


def take_waiting(store: Store, *, model_id: int, rows: int, size: int) -> Taken:
    """The first batches that wait, together at most so many rows and payload bytes; one at least, unless ``rows`` is 0.

    Nothing is removed: the transaction that writes what became of them does that.
    """
    ids: list[int] = []
    parts: list[Labels] = []
    received: list[int] = []
    counted, more = 0, False
    while rows > counted and size > 0:
        with store.read() as conn:
            page = waiting_labels(
                conn, model_id=model_id, max_rows=rows - counted, max_bytes=min(size, PAGE_BYTES),
                after=ids[-1] if ids else 0,
            )  # fmt: skip
        if not page:
            break
        if ids and counted + page[0].rows > rows:
            more = True
            break
        for batch in page:
            ids.append(batch.id)
            parts.append(read_batch(batch.payload, batch_id=batch.id))
            received.append(batch.received_us)
            counted, size = counted + batch.rows, size - len(batch.payload)
    labels = newest(join_labels(parts))[0] if parts else no_labels()
    return Taken(
        ids=ids, labels=labels, rows=counted, first_us=min(received, default=0), last_us=max(received, default=0),
        more=more or (bool(ids) and (rows <= counted or size <= 0)),
    )  # fmt: skip
