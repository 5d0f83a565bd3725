"""How often healthy windows are judged to have fallen, against the tail probability asked for, and how soon real falls.

    .venv/bin/python -m benchmarks falls

Accuracy 0.8 against a reference of 20,000 rows; then an AUC of 0.8 whose windows differ by 0.02 beyond their sampling
error of 0.01, the variance between them estimated from a few windows. Seeds are fixed.
"""

import numpy as np

from monitor.performance import between_variance, fall
from monitor.performance.intervals import wilson

SETS = 20_000
REFERENCE_ROWS = 20_000


def accuracy_falls(rng, *, p, truth, n, sets=SETS):
    """The share of windows of n rows judged to have fallen."""
    fallen = 0
    references = rng.binomial(REFERENCE_ROWS, 0.8, sets).tolist()
    for hits, reference in zip(rng.binomial(n, truth, sets).tolist(), references, strict=True):
        fallen += fall(
            "accuracy", reference=reference / REFERENCE_ROWS, reference_se=wilson(reference, REFERENCE_ROWS)[2],
            current=hits / n, current_se=wilson(hits, n)[2], p=p, effect=0.0,
        ).fallen  # fmt: skip
    return fallen / sets


def varying_falls(rng, *, p, windows, sets=SETS):
    """The share of windows judged to have fallen where the variance between windows is estimated from so many."""
    fallen = 0
    for _ in range(sets):
        healthy = rng.normal(0.8, 0.02, windows) + rng.normal(0, 0.01, windows)
        between = between_variance(healthy, ses=[0.01] * windows) or 0.0
        fallen += fall(
            "roc_auc", reference=healthy.mean(), reference_se=np.sqrt((0.01**2 + between) / windows),
            current=rng.normal(0.8, 0.02) + rng.normal(0, 0.01), current_se=0.01, p=p, effect=0.0, between=between,
            windows=windows,
        ).fallen  # fmt: skip
    return fallen / sets


def main():
    print("| accuracy | n | p = 0.05 | p = 0.01 | p = 0.001 |\n|---|---|---|---|---|")
    for truth in (0.8, 0.75):
        for n in (100, 1_000, 10_000):
            cells = [accuracy_falls(np.random.default_rng(n), p=p, truth=truth, n=n) for p in (0.05, 0.01, 0.001)]
            print(f"| {truth} | {n:,} | " + " | ".join(f"{c:.2%}" for c in cells) + " |", flush=True)
    print("\n| windows | p = 0.05 | p = 0.01 | p = 0.001 |\n|---|---|---|---|")
    for windows in (10, 30, 100):
        cells = [varying_falls(np.random.default_rng(windows), p=p, windows=windows) for p in (0.05, 0.01, 0.001)]
        print(f"| {windows} | " + " | ".join(f"{c:.2%}" for c in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
