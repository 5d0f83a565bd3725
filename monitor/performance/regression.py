"""Metrics of a regression's errors e = prediction − label: mean losses and their roots."""

from __future__ import annotations

from math import sqrt

from msgspec.structs import replace

from monitor.performance.intervals import mean_of
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Floats


def bias(losses: Floats) -> Measured:
    """The mean of e, in the label's unit: above 0 predicts too much. Undefined without rows (``no_labels``)."""
    return mean_of("bias", losses, least=None)


def mae(losses: Floats) -> Measured:
    """The mean of |e|, in the label's unit."""
    return mean_of("mae", losses)


def mse(losses: Floats) -> Measured:
    """The mean of e², in the label's unit squared."""
    return mean_of("mse", losses)


def rmse(losses: Floats) -> Measured:
    """The square root of the mean of e², in the label's unit; its interval is that of ``mse``, carried over.

    >>> import numpy as np
    >>> rmse(np.array([4.0, 16.0, 80.0, 500.0])).value
    2.0
    """
    return _root(mse(losses), metric="rmse")


def mape(losses: Floats, *, pairs: int) -> Measured:
    """The mean of |e / label|, as a share (0.1 is 10 %).

    Targets of 0 (below 2.2e-16) are left out and counted as ``zero_targets``, where scikit-learn divides by 2.2e-16;
    undefined where all of the ``pairs`` are (``zero_targets``). Source: Hyndman and Koehler (2006), Int. J.
    Forecasting 22(4), for what it does not do well.
    """
    return _left_out(mean_of("mape", losses), pairs=pairs, named="zero_targets")


def msle(losses: Floats, *, pairs: int) -> Measured:
    """The mean of (ln(1 + prediction) − ln(1 + label))².

    Rows with either at −1 or below are left out and counted as ``below_minus_one``, where scikit-learn raises;
    undefined where all of the ``pairs`` are.
    """
    return _left_out(mean_of("msle", losses), pairs=pairs, named="below_minus_one")


def rmsle(losses: Floats, *, pairs: int) -> Measured:
    """The square root of ``msle``, with the same rows."""
    return _root(msle(losses, pairs=pairs), metric="rmsle")


def _left_out(found: Measured, *, pairs: int, named: str) -> Measured:
    """The measurement with the number of rows left out; where all are, unknown for that."""
    if pairs and not found.n:
        return unknown(found.metric, named)
    return replace(found, method=found.method | {named: pairs - found.n})


def _root(square: Measured, *, metric: str) -> Measured:
    """The root of a mean square and of its interval; the standard error by the delta method."""
    if square.value is None or square.lower is None or square.upper is None or square.se is None:
        return replace(square, metric=metric, value=None if square.value is None else sqrt(square.value))
    value = sqrt(square.value)
    se = square.se / (2 * value) if value > 0 else 0.0
    return replace(square, metric=metric, value=value, lower=sqrt(square.lower), upper=sqrt(square.upper), se=se)
