"""R²: the share of the labels' variance that the predictions explain."""

from __future__ import annotations

from math import exp, sqrt

from monitor.performance.intervals import Z
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Floats


def r2(squared_error: Floats, *, targets: Floats) -> Measured:
    """1 − Σ e² / Σ (y − mean y)², from the powers of e² (float64[4]) and ``TARGET_SUMS`` (float64[6]).

    1 is perfect, 0 as good as the mean, below 0 worse. The standard error is the delta method's, with the mixed moments
    of e² and d = y − center; the interval is normal on the scale of ln(1 − R²). Undefined where all labels are equal
    (``constant``; scikit-learn gives 1 or 0) or under two rows (``few_labels``; scikit-learn gives NaN).
    Source: Draper and Smith (1998), Applied Regression Analysis, ch. 5; Rao (1973), Linear Statistical Inference, 6a.

    >>> import numpy as np
    >>> d, e = np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.0, 0.5])
    >>> sums = np.array([d.sum(), (d**2).sum(), (d**3).sum(), (d**4).sum(), (e**2 * d).sum(), (e**2 * d**2).sum()])
    >>> r2(np.array([3.0, (e**2).sum(), (e**4).sum(), (e**6).sum()]), targets=sums).value
    0.75
    """
    n, errors, errors_2, _ = squared_error.tolist()
    if n < 2:
        return unknown("r2", "few_labels" if n else "no_labels", n=int(n))
    m1, m2, m3, m4, e2d, e2d2 = (float(total) / n for total in targets)
    spread = m2 - m1 * m1
    if spread <= 1e-14 * m2 or spread <= 0:
        return unknown("r2", "constant", n=int(n))
    ratio = errors / n / spread
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    mixed = e2d2 - 2 * m1 * e2d + m1**2 * errors / n
    # the influence of a row is −(e² − ratio (y − mean)²)/spread, of mean 0
    squares = max(errors_2 / n - 2 * ratio * mixed + ratio**2 * fourth, 0.0)
    se = sqrt(squares / (n - 1)) / spread
    step = exp(Z * se / ratio) if ratio > 0 else 1.0
    return Measured(
        metric="r2", value=1 - ratio, lower=1 - ratio * step, upper=1 - ratio / step, se=se, n=int(n),
        method={"interval": "delta method, ln(1 − R²)"},
    )  # fmt: skip
