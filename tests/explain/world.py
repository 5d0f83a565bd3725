"""A model with a taught reference, and windows of it judged and explained as the service does."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from monitor.alert.calibrate import calibrate
from monitor.alert.cells import reduce_profile
from monitor.alert.history import build_history
from monitor.alert.judge import judge, wanted_metrics
from monitor.columns.batch import companion_of
from monitor.drift.compare import compare
from monitor.explain.explain import Case, explain
from monitor.explain.sides import Sides
from monitor.model.checks import budgeted_columns, default_checks, parse_checks
from monitor.model.schema import Column, Schema
from monitor.model.time import HOUR_US
from monitor.model.window import WindowSpec
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import empty, merge, profile_batch
from monitor.quality.shares import measure

WINDOWS, ROWS = 120, 400
AIRPORTS, SHARES = ["EWR", "JFK", "LGA", "SWF"], [0.4, 0.3, 0.25, 0.05]
SCHEMA = Schema(
    columns=(
        Column(name="temp"), Column(name="price"), Column(name="spend"), Column(name="hour"), Column(name="flag"),
        Column(name="origin", type="categorical"),
    )
)  # fmt: skip
START_US = 500_000 * HOUR_US


def raw(rng, rows=ROWS, **changed):
    """Raw values as the reference has them, by column, with some replaced."""
    spend = np.where(rng.random(rows) < 0.6, 0.0, rng.exponential(10.0, rows))
    columns = {
        "temp": rng.normal(40.0, 10.0, rows), "price": rng.exponential(100.0, rows), "spend": spend,
        "hour": rng.integers(6, 22, rows).astype(float), "flag": (rng.random(rows) < 0.3).astype(float),
        "origin": rng.choice(AIRPORTS, rows, p=SHARES),
    }  # fmt: skip
    return columns | changed


def batch_of(columns):
    """The values as a stored batch; masked ones are missing, those of ``broken`` invalid."""
    stored = {}
    for name, given in columns.items():
        values, raw_text = given if isinstance(given, tuple) else (given, None)
        if raw_text is not None:
            stored[companion_of(f"f:{name}")] = raw_text
        stored[f"f:{name}"] = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.RecordBatch.from_pydict(stored)


def broken(values, *, at):
    """The numbers with some that were sent as text."""
    return pa.array(values, mask=at), pa.array(np.where(at, '"old"', None).tolist(), pa.string())


@dataclass
class World:
    """A reference of hourly windows with its calibration; ``rows`` are all its raw values."""

    windows: int = WINDOWS
    seed: int = 7

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        windows = [raw(rng) for _ in range(self.windows)]
        self.raw = {name: np.concatenate([w[name] for w in windows]) for name in windows[0]}
        builder = LayoutBuilder(SCHEMA)
        for each in windows:
            builder.add(batch_of(each))
        self.layout = builder.finish()
        profiles = [self.profile(each) for each in windows]
        self.reference = empty(self.layout)
        for profile in profiles:
            self.reference = merge(self.reference, profile)
        history = build_history(self.layout, reference=self.reference, windows=list(enumerate(profiles)))
        self.calibration = calibrate(
            history, windows_per_month=720.0, per_month=6.0,
            columns=budgeted_columns(default_checks(), schema=SCHEMA),
        )  # fmt: skip

    def profile(self, columns):
        return profile_batch(self.layout, batch_of(columns))

    def sides(self, columns):
        """The window against the reference."""
        return Sides(
            layout=self.layout, reference=self.reference, current=self.profile(columns), calibration=self.calibration
        )

    def counts(self, columns):
        return reduce_profile(self.calibration.layout_cells, profile=self.profile(columns))

    def explain(self, columns, *, check="drift", before=(), checks=None, scale=1, together=(), **more):
        """The explanation of a window with these values; ``before`` are the raw windows before it, oldest first.

        Of a longer ``scale`` the rows are judged ``together``, and the explanation is told that they were.
        """
        checks = default_checks() if checks is None else parse_checks(checks)
        sides = self.sides(columns)
        if scale > 1:
            whole = self.sides({name: np.concatenate([each[name] for each in together]) for name in columns})
            more |= {"sums": {scale: whole}, "own": sides.now}
            sides = whole
        measured = compare(self.layout, self.reference, sides.current, metrics=wanted_metrics(checks)) + measure(
            self.layout, self.reference, sides.current
        )
        judgement = judge(
            checks=checks, schema=SCHEMA, layout=self.layout, reference=self.reference, current=sides.current,
            calibration=self.calibration, measurements=measured,
        )  # fmt: skip
        verdict = next(v for v in judgement.verdicts if v.check == check)
        starts = [START_US - (len(before) - k) * HOUR_US for k in range(len(before))]
        return explain(
            Case(
                check=check, kind=verdict.kind, status=verdict.status, reason=verdict.reason,
                results=tuple(_scaled(row, scale) for row in judgement.rows if row.check == check),
                rows=sides.current.rows,
                window=WindowSpec(length="1h"), start_us=START_US, sides=sides,
                before=[(s, self.counts(each)) for s, each in zip(starts, before, strict=True)],
                budget="6 per month", **more,
            )
        )  # fmt: skip


def _scaled(row, scale):
    return row if scale == 1 else msgspec.structs.replace(row, method=row.method | {"scale": scale})


def story(explanation, column):
    """The story of one column of an explanation."""
    return next(each for each in explanation.columns if each.column == column)
