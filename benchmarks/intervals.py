"""How often the 95 % intervals hold the true value: 1,000 simulated data sets of 200, 1,000 and 10,000 rows each.

    .venv/bin/python -m benchmarks intervals

About a minute and a half of one core; progress on standard error.

The truth is the metric of 4,000,000 rows of the same law, in the same cells. A proportion of 1,000 that is 95 % in
truth lies within 93.6 and 96.4 % nineteen times of twenty. Seeds are fixed: the table is the same on every run.
"""

import sys
import time

import numpy as np

from monitor.performance import Outline, count, empty, measure, merge, score_cells

SIZES = (200, 1_000, 10_000)
SETS = 1_000
TRUTH_ROWS, BLOCK = 4_000_000, 200_000
LOW, HIGH = 0.93, 0.97
LEAST_SHARE = 0.8


def expit(x):
    return 1 / (1 + np.exp(-x))


def binary(rng, n, *, base=-1.0, steepness=1.3):
    """A score that promises too much at both ends; three positives in ten."""
    logit = rng.normal(base, 1.2, n)
    label = (rng.uniform(size=n) < expit(logit)).astype(np.int32)
    return {"label": label, "scores": expit(steepness * logit + 0.2)[:, None], "prediction": np.full(n, -1, np.int32)}


def rare(rng, n):
    """Sixteen positives in a thousand."""
    return binary(rng, n, base=-4.8, steepness=1.1)


def multiclass(rng, n):
    """Three classes of unequal size, scores that are too sure."""
    logits = rng.normal((0.6, 0.0, -0.5), 1.2, (n, 3))
    truth, told = (np.exp(k * logits) / np.exp(k * logits).sum(axis=1, keepdims=True) for k in (1.0, 1.3))
    label = (truth.cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1).clip(0, 2).astype(np.int32)
    return {"label": label, "scores": told, "prediction": np.full(n, -1, np.int32)}


def regression(rng, n):
    """Amounts of log-normal law; errors grow with the amount and have a bias."""
    label = np.exp(rng.normal(2.0, 0.5, n))
    return {"label": label, "prediction": label + rng.normal(0.3, 0.5 + 0.1 * label)}


def heavy(rng, n):
    """Errors of Student's law with five degrees of freedom: their fourth power has no variance."""
    label = rng.normal(50, 10, n)
    return {"label": label, "prediction": label + 3 * rng.standard_t(5, n)}


BUSINESS = {"yes": {"yes": 20.0, "no": -50.0}, "no": {"yes": -5.0}}
LAWS = {"binary": binary, "multiclass": multiclass, "regression": regression}
HARD = {"rare positives": rare, "heavy tails": heavy}


def outline_of(law, rng):
    rows = law(rng, 100_000)
    if "scores" not in rows:
        return Outline(task="regression", center=float(rows["label"].mean()))
    cells = [score_cells(column) for column in rows["scores"].T]
    edges, centers = zip(*cells, strict=True)
    if len(edges) == 1:
        return Outline(task="binary_classification", classes=("no", "yes"), positive="yes", edges=edges,
                       centers=centers)  # fmt: skip
    outline = Outline(task="multiclass_classification", classes=("a", "b", "c"), edges=edges, centers=centers)
    return outline.supposing(rows["scores"].T)


def measured(outline, card):
    business = BUSINESS if outline.task == "binary_classification" else None
    return [m for m in measure(outline, card, business=business) if "/" not in m.metric]


def truth_of(outline, law, rng):
    whole = empty(outline)
    for _ in range(TRUTH_ROWS // BLOCK):
        whole = merge(whole, count(outline, **law(rng, BLOCK)))
    return {m.metric: m.value for m in measured(outline, whole)}


def coverage(outline, law, truth, *, n, sets, rng):
    """By metric: the share of data sets whose interval holds the truth, and of those that have an interval."""
    held, seen = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for done in range(sets):
        for m in measured(outline, count(outline, **law(rng, n))):
            if m.lower is not None:
                seen[m.metric] += 1
                held[m.metric] += m.lower <= truth[m.metric] <= m.upper
        if done % 100 == 99:
            print(f"  {n} rows: {done + 1} of {sets}", file=sys.stderr, flush=True)
    return {name: held[name] / seen[name] if seen[name] else float("nan") for name in truth}


def table(name, law, *, sets):
    """Prints one law's table; the cells as (metric, n, share)."""
    seed = [ord(letter) for letter in name]
    outline = outline_of(law, np.random.default_rng([*seed, 0]))
    truth = truth_of(outline, law, np.random.default_rng([*seed, 1]))
    by_size = {n: coverage(outline, law, truth, n=n, sets=sets, rng=np.random.default_rng([*seed, n])) for n in SIZES}
    print(f"\n### {name}\n\n| metric | truth | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |")
    print("|---|---|" + "---|" * len(SIZES))
    for metric, value in truth.items():
        print(f"| `{metric}` | {value:.4g} | " + " | ".join(f"{by_size[n][metric]:.1%}" for n in SIZES) + " |")
    return [(metric, n, by_size[n][metric]) for metric in truth for n in SIZES]


def main(sets=SETS):
    began = time.perf_counter()
    cells = [(name, *cell) for name, law in LAWS.items() for cell in table(name, law, sets=sets)]
    outside = [cell for cell in cells if not LOW <= cell[-1] <= HIGH]
    share = 1 - len(outside) / len(cells)
    print(
        f"\n{len(cells) - len(outside)} of {len(cells)} cells ({share:.1%}) hold the truth in {LOW:.0%} to {HIGH:.0%}."
    )
    for name, metric, n, held in outside:
        print(f"Outside: {name}, `{metric}`, n = {n:,}: {held:.1%}")
    print("\nHarder laws, not counted:")
    for name, law in HARD.items():
        table(name, law, sets=sets)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return share >= LEAST_SHARE


if __name__ == "__main__":
    sys.exit(not main(int(sys.argv[1]) if len(sys.argv) > 1 else SETS))
