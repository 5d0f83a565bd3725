"""The features that a regression's loss is estimated from, as a matrix; the model of the loss with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.columns.coerce import coerce
from monitor.evaluate.outcome_rows import PREDICTION
from monitor.model.schema import Column, Schema
from monitor.performance.dle import MOST_ROWS, LossModel, fit_losses
from monitor.performance.dle_codec import decode_loss_model, encode_loss_model
from monitor.performance.outline import Floats

ABSOLUTE, SQUARED = "estimated_absolute", "estimated_squared"
MOST_COLUMNS = 256
MOST_CATEGORIES = 62  # of a column; the others are one more
_SEED = 0x64726966  # a fit is the same every time


class LossColumns(msgspec.Struct, frozen=True, kw_only=True):
    """The matrix's columns by stored name: numbers as they are, categories by their place among the frequent ones."""

    numbers: tuple[str, ...]
    categories: tuple[tuple[str, tuple[str, ...]], ...]

    def matrix(self, rows: pa.RecordBatch) -> Floats:
        """float64[n, F] of conformed rows, NaN where a value is missing."""
        found = np.full((rows.num_rows, len(self.numbers) + len(self.categories)), np.nan)
        for place, name in enumerate(self.numbers):
            found[:, place] = _numbers(rows, name)
        for place, (name, known) in enumerate(self.categories, start=len(self.numbers)):
            values = _column(rows, name)
            codes = pc.index_in(values, value_set=pa.array(known, pa.string())).fill_null(len(known))
            found[:, place] = np.where(values.is_valid(), codes, np.nan)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """A model of the loss, and the columns it reads."""

    columns: LossColumns
    model: LossModel

    def estimated(self, rows: pa.RecordBatch, *, prediction: Floats) -> Floats:
        """float64[n, 2]: the absolute and the squared error that each row's prediction is likely to have."""
        return self.model.losses(self.columns.matrix(rows), prediction=prediction)


@dataclass(slots=True)
class LossSample:
    """Rows of the reference's second half of each batch, to fit the loss on."""

    schema: Schema
    rows: int = 0
    held: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, rows: pa.RecordBatch) -> None:
        """Takes the odd rows, as long as there is room."""
        if self.rows < MOST_ROWS:
            part = rows.take(pa.array(np.arange(1, rows.num_rows, 2)[: MOST_ROWS - self.rows]))
            self.held.append(part)
            self.rows += part.num_rows


def fit(sample: LossSample) -> Losses | None:
    """The model of the loss; None without a prediction or a label."""
    prediction, label = sample.schema.role("prediction"), sample.schema.role("label")
    if prediction is None or label is None or not sample.held:
        return None
    columns = _columns(sample)
    matrix = np.concatenate([columns.matrix(rows) for rows in sample.held])
    told, true = (
        np.concatenate([_numbers(rows, name) for rows in sample.held])
        for name in (prediction.stored_name, label.stored_name)
    )
    model = fit_losses(matrix, prediction=told, label=true, rng=np.random.default_rng(_SEED))
    return Losses(columns=columns, model=model)


def with_losses(outcomes: pa.Table, rows: pa.RecordBatch, *, losses: Losses | None) -> pa.Table:
    """The outcomes with the errors that their predictions are likely to have, told by the rows they are of."""
    if losses is None or PREDICTION not in outcomes.schema.names:
        return outcomes
    told = outcomes.column(PREDICTION).to_numpy()
    for name, values in zip((ABSOLUTE, SQUARED), losses.estimated(rows, prediction=told).T, strict=True):
        outcomes = outcomes.append_column(name, pa.array(values))
    return outcomes


class _Stored(msgspec.Struct, array_like=True):
    columns: LossColumns
    model: bytes


def encode_losses(losses: Losses) -> bytes:
    """The model and its columns as bytes."""
    return msgspec.msgpack.encode(_Stored(columns=losses.columns, model=encode_loss_model(losses.model)))


def decode_losses(body: bytes) -> Losses:
    """The reverse of ``encode_losses``; ``ValueError`` for anything else."""
    try:
        stored = msgspec.msgpack.decode(body, type=_Stored)
    except msgspec.DecodeError as error:
        raise ValueError(f"model of the loss: {error}") from error
    return Losses(columns=stored.columns, model=decode_loss_model(stored.model))


def _columns(sample: LossSample) -> LossColumns:
    features = [c for c in sample.schema.monitored if c.role == "feature"][:MOST_COLUMNS]
    return LossColumns(
        numbers=tuple(c.stored_name for c in features if c.type == "numeric"),
        categories=tuple(
            (c.stored_name, _frequent(_column(rows, c.stored_name) for rows in sample.held))
            for c in features
            if c.type != "numeric"
        ),
    )


def _frequent(columns: Iterable[pa.Array]) -> tuple[str, ...]:
    """The most frequent categories, of equally frequent ones the first by name."""
    counts: Counter[str] = Counter()
    for values in columns:
        for pair in values.drop_null().value_counts().to_pylist():
            counts[pair["values"]] += pair["counts"]
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return tuple(ordered[:MOST_CATEGORIES])


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
    position = rows.schema.get_field_index(name)
    values = pa.nulls(rows.num_rows, pa.string()) if position < 0 else rows.column(position)
    return values.cast(pa.string()) if pa.types.is_dictionary(values.type) else values


def _numbers(rows: pa.RecordBatch, name: str) -> Floats:
    values = _column(rows, name)
    if pa.types.is_string(values.type):
        values = coerce(values, Column(name=name, type="numeric"), form="text").values
    return np.asarray(values.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
