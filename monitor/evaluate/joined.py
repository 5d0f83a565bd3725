"""A window's outcomes with their labels, counted into a scorecard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.columns.keyed_ids import Hashes
from monitor.evaluate.losses import ABSOLUTE, SQUARED
from monitor.evaluate.outcome_rows import KEY, LABEL, PREDICTION
from monitor.performance.counting import MISSING, count
from monitor.performance.outline import Floats, Outline
from monitor.performance.scorecard import Scorecard

Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedLabels:
    """Labels by ascending, distinct ``keys``; a null among ``labels`` (string or float64) is one that was withdrawn."""

    keys: Hashes
    labels: pa.Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How outcomes are read: the outline, the stored names of its score columns, and a label assumed for want of one.

    ``complement``: the score of a binary model is that of the class that is not the positive one.
    """

    outline: Outline
    scores: tuple[str, ...]
    complement: bool = False
    assumed: str | float | None = None


def card_of(rows: pa.Table, *, reading: Reading, labels: JoinedLabels | None = None) -> Scorecard:
    """The scorecard of the outcomes (``outcome_rows``), each with the label that was joined, else its own."""
    label, assumed = _labels(rows, labels=labels, reading=reading)
    outline = reading.outline
    prediction = _column(rows, PREDICTION)
    if outline.regression:
        return count(
            outline, prediction=_numbers(prediction), label=_numbers(label), assumed=assumed, estimated=_losses(rows)
        )
    return count(
        outline,
        prediction=_codes(prediction, classes=outline.classes),
        label=_codes(label, classes=outline.classes),
        scores=score_matrix(rows, reading=reading),
        assumed=assumed,
    )


def score_matrix(rows: pa.Table, *, reading: Reading) -> Floats:
    """float64[n, K]: the scores of the scored classes, NaN where there is none."""
    matrix = np.full((rows.num_rows, len(reading.scores)), np.nan)
    for k, name in enumerate(reading.scores):
        matrix[:, k] = _numbers(_column(rows, name))
    return 1.0 - matrix if reading.complement else matrix


def _losses(rows: pa.Table) -> Floats | None:
    """float64[n, 2]: the errors that were estimated when the rows came; None where they were not."""
    if ABSOLUTE not in rows.schema.names:
        return None
    return np.column_stack([_numbers(_column(rows, name)) for name in (ABSOLUTE, SQUARED)])


def _labels(
    rows: pa.Table, *, labels: JoinedLabels | None, reading: Reading
) -> tuple[pa.Array, NDArray[np.bool_] | None]:
    """Each row's label, and which of them are only assumed."""
    own = _column(rows, LABEL)
    known = own.is_valid()
    if labels is not None and len(labels.keys):
        keys = _column(rows, KEY).to_numpy()
        place = np.minimum(np.searchsorted(labels.keys, keys), len(labels.keys) - 1)
        found = pa.array(labels.keys[place] == keys)
        joined = labels.labels.take(pa.array(place))
        if joined.type != own.type:
            own = own.cast(joined.type)
        own = pc.if_else(found, joined, own)
        known = pc.or_(found, known)  # a withdrawn one is known to be none
    if reading.assumed is None:
        return own, None
    value = pa.scalar(reading.assumed, pa.float64() if reading.outline.regression else pa.string())
    if own.type != value.type:
        own = own.cast(value.type)
    return pc.if_else(known, own, value), ~known.to_numpy(zero_copy_only=False)


def _column(rows: pa.Table, name: str) -> pa.Array:
    if name not in rows.schema.names:
        return pa.nulls(rows.num_rows)
    column = rows.column(name)
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return whole.cast(pa.string()) if pa.types.is_dictionary(whole.type) else whole


def _numbers(values: pa.Array) -> Floats:
    """float64[n], NaN where there is none."""
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _codes(values: pa.Array, *, classes: tuple[str, ...]) -> Codes:
    """int32[n]: positions in the classes, their number where it is none of them, −1 where there is no value."""
    if pa.types.is_null(values.type):
        return np.full(len(values), MISSING, np.int32)
    places = pc.index_in(values, value_set=pa.array(classes, pa.string())).fill_null(len(classes))
    return np.where(values.is_valid(), places, MISSING).astype(np.int32)
