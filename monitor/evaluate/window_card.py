"""A window's scorecard: as folding left it where nothing else came, else counted again from outcomes and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from monitor.columns.batch import ID
from monitor.columns.keyed_ids import hash_ids, hash_key
from monitor.evaluate.context import VersionContext
from monitor.evaluate.joined import JoinedLabels, card_of
from monitor.evaluate.label_codec import merged_labels
from monitor.evaluate.losses import with_losses
from monitor.evaluate.outcome_rows import decode_outcomes, encode_outcomes, has_outcomes, outcome_rows
from monitor.evaluate.performance_side import PerformanceSide
from monitor.evaluate.reprofile import first_of_window
from monitor.model.labels import label_rules
from monitor.performance import codec
from monitor.performance.scorecard import Scorecard, empty, merge
from monitor.store.engine import Store
from monitor.store.outcomes import Part, PartHead, outcome_heads, outcomes, window_labels
from monitor.store.scorecards import StoredScorecard, get_scorecard
from monitor.store.sealing import FORGOTTEN
from monitor.store.windows import WindowRow

_PART_ROWS = 250_000
_MOST_PARTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCard:
    """A window's scorecard, and what is to be stored of it: the card, and outcomes that were made again."""

    card: Scorecard
    stored: StoredScorecard | None = None
    outcomes: tuple[Part, ...] = field(default=())
    replaced: tuple[int, ...] = ()


def window_card(
    store: Store, *, context: VersionContext, window: WindowRow, now_us: int, afresh: bool = False
) -> WindowCard | None:
    """The scorecard of a window's rows with the labels joined so far; None where the reference says nothing of it.

    Memory holds a part of the outcomes at a time, and eight bytes and a label for each label of the window.
    """
    side = context.performance
    if side is None or context.schema is None:
        return None
    assumed = _assumed(context, window=window, now_us=now_us)
    joined_rows = window.label_rows or 0
    with store.read() as conn:
        kept = get_scorecard(conn, version_id=window.version_id, window_start_us=window.start_us)
    if not afresh and assumed is None and kept is not None and _current(kept, side=side, joined_rows=joined_rows):
        card = codec.decode(kept.payload, side.outline)
        if card.rows == window.rows:
            return WindowCard(card=card)
    if window.retained in FORGOTTEN:  # there is nothing left to be counted
        return None
    with store.read() as conn:
        heads = outcome_heads(conn, version_id=window.version_id, window_start_us=window.start_us)
        joined = window_labels(conn, version_id=window.version_id, window_start_us=window.start_us)
    made = _outcomes(store, context=context, window=window, heads=heads, afresh=afresh)
    made = made or _as_one(store, window=window, heads=heads)
    used = iter(made) if made else _stored_parts(store, window=window, heads=heads)
    card = _counted(used, side=side, assumed=assumed, labels=_joined(joined, numeric=side.outline.regression))
    stored = StoredScorecard(
        version_id=window.version_id, window_start_us=window.start_us, outline=side.outline.digest,
        label_rows=joined_rows, payload=codec.encode(card),
    )  # fmt: skip
    return WindowCard(
        card=card,
        stored=stored if assumed is None else None,
        outcomes=tuple(made),
        replaced=tuple(head.id for head in heads) if made else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedOutcomes:
    """What newly folded rows of a window leave: their outcomes, and the window's whole scorecard with them."""

    part: Part | None = None
    card: StoredScorecard | None = None


def arrived_outcomes(
    kept: pa.RecordBatch,
    *,
    context: VersionContext,
    window: WindowRow | None,
    kept_card: StoredScorecard | None,
    start_us: int,
    key: str,
) -> ArrivedOutcomes:
    """The outcomes of the rows; no card where the window's has to be counted again anyway."""
    if not kept.num_rows or context.layout is None or not has_outcomes(context.schema, task=context.model.task):
        return ArrivedOutcomes()
    table, side = outcome_table(kept, context=context, key=key), context.performance
    part = part_of(table, context=context, start_us=start_us)
    fresh = window is None or window.rows == 0
    if side is None or not (fresh or (kept_card is not None and kept_card.outline == side.outline.digest)):
        return ArrivedOutcomes(part=part)
    card = card_of(table, reading=side.reading)
    if kept_card is not None and not fresh:
        card = merge(codec.decode(kept_card.payload, side.outline), card)
    stored = StoredScorecard(
        version_id=context.version.id, window_start_us=start_us, outline=side.outline.digest,
        label_rows=0 if kept_card is None else kept_card.label_rows, payload=codec.encode(card),
    )  # fmt: skip
    return ArrivedOutcomes(part=part, card=stored)


def _current(kept: StoredScorecard, *, side: PerformanceSide, joined_rows: int) -> bool:
    return kept.outline == side.outline.digest and kept.label_rows == joined_rows


def _assumed(context: VersionContext, *, window: WindowRow, now_us: int) -> str | float | None:
    """The label that a record without one is taken to have by now."""
    rules = label_rules(context.model)
    if rules.default_after_us is None or now_us < window.end_us + rules.default_after_us:
        return None
    return rules.default_value


def _joined(parts: Sequence[Part], *, numeric: bool) -> JoinedLabels | None:
    if not parts:
        return None
    merged = merged_labels(parts, numeric=numeric)
    values = merged.values if numeric else merged.values.cast(pa.string())
    return JoinedLabels(keys=merged.keys, labels=values)


def _counted(
    parts: Iterable[Part], *, side: PerformanceSide, assumed: str | float | None, labels: JoinedLabels | None
) -> Scorecard:
    reading = replace(side.reading, assumed=assumed)
    card = empty(side.outline)
    for part in parts:
        card = merge(card, card_of(decode_outcomes([part.payload]), reading=reading, labels=labels))
    return card


def _outcomes(
    store: Store, *, context: VersionContext, window: WindowRow, heads: Sequence[PartHead], afresh: bool
) -> list[Part]:
    """The window's outcomes made again of its stored rows, where those kept are not all of them; else none."""
    whole = sum(head.rows for head in heads) == window.rows
    current = all(head.schema_id == context.version.schema_id for head in heads)
    if (whole and current and not afresh) or not has_outcomes(context.schema, task=context.model.task):
        return []
    if window.is_sealed:
        return []
    made = list(_from_rows(store, context=context, window=window))
    return made if sum(part.rows for part in made) == window.rows else []  # else features are gone: what is kept counts


def made_outcomes(
    store: Store, *, context: VersionContext, window: WindowRow
) -> tuple[list[Part], list[int]]:  # fmt: skip
    """The window's outcomes made of its stored rows where those kept are not all of them, and what they replace."""
    with store.read() as conn:
        heads = outcome_heads(conn, version_id=window.version_id, window_start_us=window.start_us)
    if sum(head.rows for head in heads) == window.rows:
        return [], []
    made = _outcomes(store, context=context, window=window, heads=heads, afresh=False)
    return made, [head.id for head in heads] if made else []


def _stored_parts(store: Store, *, window: WindowRow, heads: Sequence[PartHead]) -> Iterator[Part]:
    """The parts one at a time, each read by itself."""
    for head in heads:
        with store.read() as conn:
            yield from outcomes(
                conn, version_id=window.version_id, window_start_us=window.start_us, ids=[head.id]
            )  # fmt: skip


def _as_one(store: Store, *, window: WindowRow, heads: Sequence[PartHead]) -> list[Part]:
    """The many small parts that a window's folds left, as one; none where there are few, or many rows."""
    if len(heads) <= _MOST_PARTS or sum(head.rows for head in heads) > _PART_ROWS:
        return []
    with store.read() as conn:
        parts = outcomes(conn, version_id=window.version_id, window_start_us=window.start_us)
    if [part.id for part in parts] != [head.id for head in heads]:  # a fold came: whoever reads next does it
        return []
    whole = encode_outcomes(decode_outcomes([part.payload for part in parts]))
    return [replace(parts[0], id=0, rows=sum(part.rows for part in parts), payload=whole)]


def _from_rows(store: Store, *, context: VersionContext, window: WindowRow) -> Iterator[Part]:
    if context.schema is None:
        return
    key = hash_key(store.secret)
    for batch in first_of_window(store, window=window, schema=context.schema):
        for start in range(0, batch.num_rows, _PART_ROWS):
            rows = batch.slice(start, _PART_ROWS)
            table = outcome_table(rows, context=context, key=key)
            yield part_of(table, context=context, start_us=window.start_us)


def outcome_table(rows: pa.RecordBatch, *, context: VersionContext, key: str) -> pa.Table:
    """The outcomes of a window's conformed rows, with the errors that a regression's are likely to have."""
    if context.schema is None:
        raise ValueError("outcomes need a schema")
    keys = hash_ids(rows.column(ID), key=key)
    kept = outcome_rows(rows, keys=keys, schema=context.schema, task=context.model.task)
    losses = None if context.performance is None else context.performance.losses
    return with_losses(pa.Table.from_batches([kept]), rows, losses=losses)


def part_of(table: pa.Table, *, context: VersionContext, start_us: int) -> Part:
    """Outcomes as they are stored."""
    return Part(
        version_id=context.version.id, window_start_us=start_us, rows=table.num_rows,
        payload=encode_outcomes(table), schema_id=context.version.schema_id or 0,
    )  # fmt: skip
