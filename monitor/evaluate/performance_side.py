"""What a reference says of a model's performance: made once, kept with the version, decoded once a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec

from monitor.alert.worth import Usual
from monitor.evaluate.joined import Reading
from monitor.evaluate.losses import Losses, decode_losses, encode_losses
from monitor.performance import codec
from monitor.performance.calibrator import Calibration
from monitor.performance.calibrator_codec import decode_calibrations, encode_calibrations
from monitor.performance.measure import measure
from monitor.performance.measured import Measured
from monitor.performance.outline import Outline
from monitor.performance.scorecard import Scorecard

Business = Mapping[str, Mapping[str, float]]  # label → prediction → what one such row is worth
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class PerformanceSide:
    """The reference's side of every performance metric.

    ``card`` counts the reference's own rows; ``calibrations`` (one a scored class) say what its scores are worth;
    ``losses`` is a model of a regression's loss; ``usual`` is how
    much each metric varies between the reference's own windows beyond their sampling error.
    """

    reading: Reading
    card: Scorecard
    calibrations: tuple[Calibration, ...] = ()
    usual: Mapping[str, Usual]
    losses: Losses | None = None
    business: Business | None = None

    @property
    def outline(self) -> Outline:
        """What scorecards are counted in."""
        return self.reading.outline

    @cached_property
    def measured(self) -> Mapping[str, Measured]:
        """The reference's own metrics by name."""
        return {one.metric: one for one in measure(self.outline, self.card, business=self.business)}


class _Stored(msgspec.Struct):
    format: int
    outline: bytes
    scores: tuple[str, ...]
    complement: bool
    card: bytes
    calibrations: bytes
    usual: dict[str, tuple[float, int]]
    losses: bytes | None


_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_side(side: PerformanceSide) -> bytes:
    """The side as bytes."""
    return msgspec.msgpack.encode(
        _Stored(
            format=FORMAT, outline=side.outline.encode(), scores=side.reading.scores,
            losses=None if side.losses is None else encode_losses(side.losses),
            complement=side.reading.complement, card=codec.encode(side.card),
            usual={metric: (usual.variance, usual.windows) for metric, usual in side.usual.items()},
            calibrations=encode_calibrations(side.calibrations),
        )
    )  # fmt: skip


def decode_side(body: bytes, *, business: Business | None = None) -> PerformanceSide:
    """The side of ``encode_side``'s bytes; ``ValueError`` for anything else. ``business`` is the model's own."""
    try:
        stored = _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"performance of a reference: {error}") from error
    if stored.format != FORMAT:
        raise ValueError(f"performance of a reference: format {stored.format}, expected {FORMAT}")
    outline = Outline.decode(stored.outline)
    return PerformanceSide(
        reading=Reading(outline=outline, scores=stored.scores, complement=stored.complement),
        card=codec.decode(stored.card, outline),
        calibrations=decode_calibrations(stored.calibrations),
        usual={metric: Usual(variance=v, windows=n) for metric, (v, n) in stored.usual.items()},
        losses=None if stored.losses is None else decode_losses(stored.losses),
        business=fitting(business, classes=outline.classes),
    )


def fitting(business: Business | None, *, classes: tuple[str, ...]) -> Business | None:
    """The worth of outcomes, where its names are classes that the reference has; else none."""
    names = {*(business or {}), *(name for row in (business or {}).values() for name in row)}
    return business if business and names <= set(classes) else None
