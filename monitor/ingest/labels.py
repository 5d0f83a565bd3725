"""The course of a request of labels."""

from __future__ import annotations

import msgspec
import numpy as np

from monitor.columns.keyed_ids import Hashes, hash_ids
from monitor.columns.labels import UNKNOWN_US, CanonicalLabels, label_batch
from monitor.ingest.label_matches import count_matched
from monitor.ingest.label_records import LabelReading, check_names, read_labels
from monitor.ingest.limits import Limits
from monitor.ingest.receive import Arrived, Prepared, kept_roles, quarantine_row
from monitor.ingest.targets import LabelTarget
from monitor.ingest.uuid7 import times_of
from monitor.ingest.work import LabelWork, new_label_batches
from monitor.store import Store
from monitor.store.keys import model_scope
from monitor.store.labels import LabelBatch
from monitor.store.run_cache import RunCache
from monitor.telemetry import Telemetry


class _Counts(msgspec.Struct):
    stored: int
    quarantined: int


_COUNTS = msgspec.json.Decoder(_Counts)


class Labels:
    """What the courses of all requests of labels share."""

    def __init__(self, store: Store, telemetry: Telemetry, *, limits: Limits, runs: RunCache) -> None:
        self.store = store
        self.telemetry = telemetry
        self.limits = limits
        self.runs = runs

    def course(self, target: LabelTarget) -> LabelCourse:
        """The course of one request."""
        return LabelCourse(self, target)

    def keys(self, labels: CanonicalLabels) -> Hashes:
        """What the labels' records are known by: uint64[n]."""
        return hash_ids(labels.ids, key=self.runs.key)

    def batches(
        self, labels: CanonicalLabels, *, keys: Hashes, target: LabelTarget, received_us: int
    ) -> list[LabelBatch]:  # fmt: skip
        """The labels as they are stored; none for none."""
        return new_label_batches(label_batch(labels, keys=keys), target=target, received_us=received_us)

    def matched(self, labels: CanonicalLabels, *, keys: Hashes, target: LabelTarget) -> int:
        """How many of the labels are for a record that is known already, as far as their times tell."""
        times_us = np.where(labels.times_us != UNKNOWN_US, labels.times_us, times_of(labels.ids))
        return count_matched(self.store, self.runs, target=target, keys=keys, times_us=times_us)


class LabelCourse:
    """One request of labels of one model."""

    route = LabelWork.route
    inline = False  # looking for their records reads the database
    __slots__ = ("_shared", "_target")

    def __init__(self, shared: Labels, target: LabelTarget) -> None:
        self._shared = shared
        self._target = target

    @property
    def scope(self) -> int:
        """What stands for the model."""
        return model_scope(self._target.model.id)

    def quick(self, arrived: Arrived) -> LabelWork | None:
        """Never: there is one way for labels."""
        return None

    def prepare(self, arrived: Arrived) -> Prepared:
        """The labels of the whole body as batches, and its quarantined ones."""
        target, asked, received_us = self._target, arrived.head.asked, arrived.received_us
        check_names(asked.roles)
        reading = LabelReading(
            regression=target.model.task == "regression", roles=asked.roles, received_us=received_us,
            limits=self._shared.limits,
        )  # fmt: skip
        received = read_labels(arrived.body, media_type=asked.media_type, reading=reading)
        keys = self._shared.keys(received.labels)
        matched = self._shared.matched(received.labels, keys=keys, target=target)
        roles = kept_roles(arrived.head)
        work = LabelWork(
            target=target, answer=received.answer(matched=matched), received_us=received_us, future=arrived.future,
            batches=self._shared.batches(received.labels, keys=keys, target=target, received_us=received_us),
            key=arrived.head.key, digest=arrived.digest, stored=received.stored,
            quarantine=[quarantine_row(q, owner_id=target.model.id, received_us=received_us, roles=roles)
                        for q in received.quarantined],
        )  # fmt: skip
        return Prepared(records=received.records, quarantined=received.quarantined, work=work)

    async def look_again(self) -> bool:
        """A label is taken whatever its record's window."""
        return False

    async def accept(self, prepared: Prepared) -> None:
        """Nothing more is asked of labels."""

    def count(self, result: str, records: int) -> None:
        """Counts the model's labels that were refused or answered from memory."""
        self._shared.telemetry.labels.labels(self._target.model.name, result).inc(records)

    def records_of(self, answer: bytes) -> int:
        """How many labels a request held, by its answer."""
        counts = _COUNTS.decode(answer)
        return counts.stored + counts.quarantined
