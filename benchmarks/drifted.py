"""The drifted share of correlated columns, by the step-up procedure and column by column, on simulated windows.

``python -m benchmarks.drifted`` prints a table: of windows where nothing is wrong how many have a drifted column, and
of windows where three columns in ten moved how much of what is called drifted is false and how much is found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from monitor.alert.step_up import step_up

LEVEL = 0.05  # what the whole family may spend: far above a budget's, so that rates can be counted
WINDOWS, SHIFTED, BY = 4_000, 0.3, 4.0
FACTORS = (("independent", 0.0), ("one factor, r = 0.5", 0.5), ("one factor, r = 0.9", 0.9))


def scores(dice: np.random.Generator, *, columns: int, together: float, opposed: bool) -> NDArray[np.float64]:
    """Standard normal float64[WINDOWS, columns] with a common factor; ``opposed``: half of them against it."""
    signs = np.where(np.arange(columns) % 2 == 1, -1.0, 1.0) if opposed else np.ones(columns)
    own = dice.normal(size=(WINDOWS, columns))
    return np.sqrt(together) * dice.normal(size=(WINDOWS, 1)) * signs + np.sqrt(1.0 - together) * own


def drifted(z: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool[WINDOWS, columns]: by the product's procedure, of two-sided p."""
    log_p = -np.log(2.0 * norm.sf(np.abs(z)))
    limit = -np.log(LEVEL / z.shape[1])
    return np.array([one > step_up(one, limit=limit) for one in log_p])


def main() -> None:
    """The table."""
    print(f"level {LEVEL}, {WINDOWS} windows; moved: {SHIFTED:.0%} of the columns by {BY} sd")
    print("columns  dependence                     healthy windows with one   false share   found (alone)")
    dice = np.random.default_rng(20)
    for columns in (20, 200):
        for name, together in FACTORS:
            for opposed in (False, True) if together else (False,):
                z = scores(dice, columns=columns, together=together, opposed=opposed)
                rate = drifted(z).any(axis=1).mean()
                moved = int(SHIFTED * columns)
                z[:, :moved] += BY
                called = drifted(z)
                false = (called[:, moved:].sum(axis=1) / np.maximum(called.sum(axis=1), 1)).mean()
                alone = (2.0 * norm.sf(np.abs(z[:, :moved])) < LEVEL / columns).mean()
                found, label = called[:, :moved].mean(), name + (", half opposed" if opposed else "")
                print(f"{columns:7}  {label:34} {rate:20.3f}   {false:11.3f}   {found:.3f} ({alone:.3f})")


if __name__ == "__main__":
    main()
