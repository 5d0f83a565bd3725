"""Days of flights through the service: fold, verdicts, sums, weekly calibration, on a clock that is set forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from benchmarks.alarms.measure import episodes
from monitor.alert.calibrate import Calibration
from monitor.columns.roles import Roles
from monitor.evaluate.context import Contexts
from monitor.evaluate.reference import set_reference
from monitor.model.time import DAY_US
from monitor.model.window import WindowSpec
from monitor.store import Store
from monitor.store.results import get_result, unpack_rows
from tests.alert.flights import CATEGORIES, NUMBERS
from tests.evaluate.traffic import LATENESS_US, START_US, World, make_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A column in alert in the day at ``position``: by which check and test, and how many days showed it together."""

    position: int
    check: str
    column: str
    scale: int
    test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """So many days behind the reference, what alarmed in them, and the calibration that judged the last."""

    days: int
    alarms: tuple[Alarm, ...]
    calibration: Calibration

    @property
    def months(self) -> float:
        """30 days each."""
        return self.days / 30

    def episodes(self, alarms: Sequence[Alarm] | None = None) -> int:
        """How many there are of those alarms (default all): days at most one apart are one."""
        over = np.zeros(self.days, dtype=bool)
        over[[alarm.position for alarm in (self.alarms if alarms is None else alarms)]] = True
        return len(episodes(over, apart=1))


def watched(store: Store, *, reference: Sequence, later: Sequence) -> Watched:
    """What the service said of the ``later`` days, one after the other, after a reference of the others before them."""
    settings = {"false_alarms": "1 per month"}
    world = make_world(store, model={"window": WindowSpec(length="1d"), "settings": settings})
    known = [_records(frame, position=at - len(reference)) for at, frame in enumerate(reference)]
    made = set_reference(
        world.store, version_id=world.version.id, source=lambda: iter(known), roles=Roles(), now_us=world.clock()
    )
    world.schema, world.schema_id = made.schema, made.reference.schema_id
    alarms: list[Alarm] = []
    for position, frame in enumerate(later):
        world.post(_records(frame, position=position))
        world.clock.now_us = START_US + (position + 1) * DAY_US + LATENESS_US
        world.runner.tick()
        alarms += _alarms(world, position=position)
    with world.store.read() as conn:
        calibration = Contexts().load(conn, version_id=world.version.id).calibration
    assert calibration is not None
    return Watched(days=len(later), alarms=tuple(alarms), calibration=calibration)


def _records(frame, *, position: int) -> pa.RecordBatch:
    """The rows of a day as they are sent, in the day at that position from the start."""
    at_us = START_US + position * DAY_US + np.arange(len(frame)) * (DAY_US // len(frame))
    return pa.record_batch(
        {
            "id": pa.array([f"{position}-{row}" for row in range(len(frame))]),
            "timestamp": pa.array(at_us).cast(pa.timestamp("us", tz="UTC")),
            **{n: pa.array(frame[n].to_numpy(dtype=float), from_pandas=True) for n in NUMBERS},
            **{n: pa.array(frame[n].astype(str).tolist()) for n in CATEGORIES},
        }
    )


def _alarms(world: World, *, position: int) -> list[Alarm]:
    """The columns in alert in the day at that position."""
    with world.store.read() as conn:
        found = get_result(conn, version_id=world.version.id, window_start_us=START_US + position * DAY_US)
    assert found is not None
    return [
        Alarm(
            position=position,
            check=row.check,
            column=row.column,
            scale=row.method.get("scale", 1),
            test=row.method.get("test", row.metric),
        )
        for row in unpack_rows(found.payload)
        if row.status == "alert" and row.column and (row.kind != "drift" or row.metric == "surprise")
    ]
