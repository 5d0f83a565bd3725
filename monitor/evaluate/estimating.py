"""What a window's performance is estimated to be, from its scorecard alone: no row is read."""

from __future__ import annotations

import numpy as np

from monitor.evaluate.performance_side import PerformanceSide
from monitor.performance.anchor import anchored_classes
from monitor.performance.business_value import cost_table
from monitor.performance.estimate import estimate as estimate_task
from monitor.performance.estimated import Estimated
from monitor.performance.measured import Measured
from monitor.performance.outline import Floats
from monitor.performance.scorecard import NUMBER_LOSSES, Scorecard

_LOSSES = ("estimated_absolute_error", "estimated_squared_error")


def estimate(side: PerformanceSide, card: Scorecard) -> tuple[Measured, ...]:
    """Every metric of the task with its sampling error; those that cannot be estimated say why."""
    outline = side.outline
    if outline.regression:
        sums = card.losses[[NUMBER_LOSSES.index(name) for name in _LOSSES]]
        model = None if side.losses is None else side.losses.model
        return _shown(estimate_task("regression", loss_sums=sums, loss_model=model))
    return _shown(
        estimate_task(
            outline.task,
            by_prediction=card.by_prediction,
            calibrations=anchored_classes(side.calibrations, outline=outline, card=side.card),
            classes=tuple(outline.classes[k] for k in outline.scored),
            complete=len(outline.scored) == len(outline.classes),
            worth=_worth(side),
        )
    )


def _worth(side: PerformanceSide) -> Floats | None:
    """float64[2, 2] by (label, prediction), each (other, positive): what a binary model's outcomes are worth."""
    outline = side.outline
    if side.business is None or not outline.binary:
        return None
    order = [1 - outline.positive_index, outline.positive_index]
    table: Floats = cost_table(side.business, classes=outline.classes)[np.ix_(order, order)]
    return table


def _shown(found: tuple[Estimated, ...]) -> tuple[Measured, ...]:
    return tuple(
        Measured(
            metric=one.metric, value=one.value, lower=one.lower, upper=one.upper, se=one.se, n=one.n,
            reason=one.reason, method=one.method,
        )
        for one in found
    )  # fmt: skip
