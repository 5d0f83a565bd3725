"""Which way each metric is better, and the smallest change of it that matters by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "nearer zero"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The smallest effect that matters: ``absolute`` plus ``relative`` times the size of the reference's value.

    ``of`` names the metric whose reference value ``relative`` is taken of, where it is not the metric itself.
    ``reason`` says why that much.
    """

    better: Better
    absolute: float = 0.0
    relative: float = 0.0
    of: str | None = None
    reason: str


_SHARE = "one row in a hundred told otherwise: less is rarely acted upon, and models of one family differ by as much"
_RANK = "one pair in a hundred ranked otherwise: the spread of retrained models"
_ERROR = "a twentieth of the usual error, whatever the unit"
_SMALL = "these values are small and mean something only next to the usual one"

EFFECTS: Mapping[str, Effect] = {
    "roc_auc": Effect(better="higher", absolute=0.01, reason=_RANK),
    "average_precision": Effect(better="higher", absolute=0.01, reason=_RANK),
    "accuracy": Effect(better="higher", absolute=0.01, reason=_SHARE),
    "precision": Effect(better="higher", absolute=0.01, reason=_SHARE),
    "recall": Effect(better="higher", absolute=0.01, reason=_SHARE),
    "specificity": Effect(better="higher", absolute=0.01, reason=_SHARE),
    "f1": Effect(better="higher", absolute=0.01, reason=_SHARE),
    "log_loss": Effect(better="lower", relative=0.05, reason=_SMALL),
    "brier": Effect(better="lower", relative=0.05, reason=_SMALL),
    "calibration_error": Effect(better="lower", absolute=0.01, reason="scores that are off by one point in a hundred"),
    "business_value": Effect(better="higher", relative=0.05, reason="a twentieth of what the model earns"),
    "mae": Effect(better="lower", relative=0.05, reason=_ERROR),
    "mse": Effect(better="lower", relative=0.1, reason="a twentieth of the usual error, squared: 1.05² is 1.10"),
    "rmse": Effect(better="lower", relative=0.05, reason=_ERROR),
    "mape": Effect(better="lower", relative=0.05, reason=_ERROR),
    "msle": Effect(better="lower", relative=0.1, reason="a twentieth of the usual error, squared: 1.05² is 1.10"),
    "rmsle": Effect(better="lower", relative=0.05, reason=_ERROR),
    "r2": Effect(better="higher", absolute=0.01, reason="one hundredth of the variance left unexplained"),
    "bias": Effect(better="nearer zero", relative=0.05, of="rmse", reason="a twentieth of the usual error, one way"),
}


def effect_of(metric: str) -> Effect:
    """The effect of a metric, or of one class's (``precision/yes``); ``KeyError`` for a name that is none.

    >>> effect_of("precision/yes").absolute
    0.01
    """
    return EFFECTS[metric.split("/", 1)[0]]


def smallest_effect(metric: str, *, reference: Mapping[str, float | None]) -> float:
    """The smallest change that matters, in the metric's unit, from the reference's values by name.

    0 where the value that it is taken of is not known: then noise alone decides.

    >>> smallest_effect("mae", reference={"mae": 20.0})
    1.0
    >>> smallest_effect("bias", reference={"bias": 0.1, "rmse": 20.0})
    1.0
    """
    effect = effect_of(metric)
    usual = reference.get(effect.of or metric)
    return effect.absolute + effect.relative * abs(usual or 0.0)
