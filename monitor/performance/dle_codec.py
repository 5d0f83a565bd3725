"""Loss models as bytes: a header, then edges and trees, little-endian, zstd; no pickle."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import numpy as np

from monitor.performance.binning import MAX_BINS, Floats
from monitor.performance.dle import Loss, LossModel
from monitor.performance.forest import LEAVES, NODES, Forest
from monitor.profile.frames import deflate, inflate

FORMAT: Literal[1] = 1
_Count = Annotated[int, msgspec.Meta(ge=0)]
_TREE_BYTES = 2 * NODES + NODES + 8 * LEAVES


class _Loss(msgspec.Struct, array_like=True, frozen=True):
    trees: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    base: float
    level: float
    noise: float
    gain: float
    gain_se: float


class _Header(msgspec.Struct, array_like=True, frozen=True):
    format: Literal[1]
    labels: _Count
    reason: Literal["few_labels"] | None
    widths: list[Annotated[int, msgspec.Meta(ge=0, lt=MAX_BINS)]]
    losses: tuple[_Loss, _Loss]


_decoder = msgspec.msgpack.Decoder(_Header)


def encode_loss_model(model: LossModel) -> bytes:
    """The model as bytes; ``decode_loss_model`` gives it back exactly."""
    losses = (model.absolute, model.squared)
    header = _Header(
        format=FORMAT, labels=model.labels, reason=model.reason, widths=[len(e) for e in model.edges],
        losses=(_head(model.absolute), _head(model.squared)),
    )  # fmt: skip
    parts = [e.astype("<f8").tobytes() for e in model.edges]
    for f in (loss.forest for loss in losses):
        parts += [f.feature.astype("<i2").tobytes(), f.threshold.tobytes(), f.value.astype("<f8").tobytes()]
    head = msgspec.msgpack.encode(header)
    return deflate(b"".join([len(head).to_bytes(4, "little"), head, *parts]))


def decode_loss_model(payload: bytes) -> LossModel:
    """The model of ``encode_loss_model``'s bytes; ``ValueError`` for anything else."""
    body = inflate(payload)
    begin = 4 + int.from_bytes(body[:4], "little")
    try:
        header = _decoder.decode(body[4:begin])
    except msgspec.DecodeError as error:
        raise ValueError(f"loss model: {error}") from error
    expected = begin + 8 * sum(header.widths) + _TREE_BYTES * sum(one.trees for one in header.losses)
    if len(body) != expected:
        raise ValueError(f"loss model: {len(body)} bytes, expected {expected}")
    flat = np.frombuffer(body, "<f8", sum(header.widths), begin).astype(np.float64)
    edges = tuple(np.split(flat, np.cumsum(header.widths)[:-1])) if header.widths else ()
    begin += 8 * sum(header.widths)
    found = []
    for one in header.losses:
        found.append(_loss(body[begin : begin + _TREE_BYTES * one.trees], head=one, columns=len(edges)))
        begin += _TREE_BYTES * one.trees
    if not edges or not all(_ascending(e) for e in edges):
        raise ValueError("loss model: no columns, or edges that do not ascend")
    return LossModel(edges=edges, absolute=found[0], squared=found[1], labels=header.labels, reason=header.reason)


def _head(loss: Loss) -> _Loss:
    return _Loss(
        trees=len(loss.forest.value), base=loss.forest.base, level=loss.level, noise=loss.noise, gain=loss.gain,
        gain_se=loss.gain_se,
    )  # fmt: skip


def _loss(body: bytes, *, head: _Loss, columns: int) -> Loss:
    nodes, after = head.trees * NODES, 2 * head.trees * NODES
    feature = np.frombuffer(body, "<i2", nodes).astype(np.int16).reshape(-1, NODES)
    threshold = np.frombuffer(body, np.uint8, nodes, after).reshape(-1, NODES)
    value = np.frombuffer(body, "<f8", head.trees * LEAVES, after + nodes).astype(np.float64).reshape(-1, LEAVES)
    numbers = np.array([head.base, head.level, head.noise, head.gain, head.gain_se])
    if not np.isfinite(value).all() or not np.isfinite(numbers).all() or min(head.noise, head.level, head.gain_se) < 0:
        raise ValueError("loss model: numbers that are not finite, or negative")
    if feature.size and not 0 <= feature.min() <= feature.max() < columns:
        raise ValueError(f"loss model: a tree on a column that is none of {columns}")
    forest = Forest(base=head.base, feature=feature, threshold=threshold, value=value)
    return Loss(forest=forest, level=head.level, noise=head.noise, gain=head.gain, gain_se=head.gain_se)


def _ascending(edges: Floats) -> bool:
    return bool(np.isfinite(edges).all() and (np.diff(edges) > 0).all())
