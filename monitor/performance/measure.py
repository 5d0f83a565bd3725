"""Every metric of a scorecard."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from monitor.performance.average_precision import average_precision
from monitor.performance.brier import brier
from monitor.performance.business_value import CostMatrix, business_value, cost_table
from monitor.performance.calibration_error import calibration_error
from monitor.performance.confusion import CLASS_METRICS, accuracy, of_class
from monitor.performance.log_loss import log_loss
from monitor.performance.macro import confusion_spread, macro
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Outline
from monitor.performance.r2 import r2
from monitor.performance.regression import bias, mae, mape, mse, msle, rmse, rmsle
from monitor.performance.roc_auc import roc_auc
from monitor.performance.scorecard import CLASS_LOSSES, MACRO_SCORE_METRICS, NUMBER_LOSSES, Scorecard
from monitor.performance.spread import score_spread

SCORE_METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error")
CLASSIFICATION = (
    "roc_auc", "average_precision", "accuracy", "precision", "recall", "specificity", "f1", "log_loss", "brier",
    "calibration_error",
)  # fmt: skip
REGRESSION = ("mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "bias")


def measure(outline: Outline, card: Scorecard, *, business: CostMatrix | None = None) -> tuple[Measured, ...]:
    """Every metric that the task has; one that is undefined is there with its reason.

    Classification: those of ``CLASSIFICATION`` (multiclass: macro averages), ``business_value`` where the worth of
    outcomes is given, then, multiclass, ``metric/class`` for each class. Regression: those of ``REGRESSION``.
    """
    if outline.regression:
        return _of_numbers(card)
    if outline.binary:
        found = [*_of_scores(outline, card, k=0), *_of_predictions(card, index=outline.positive_index)]
        each: list[Measured] = []
    else:
        found, each = _of_classes(outline, card)
    found += [_paired(card, accuracy(card.confusion)), *_losses(outline, card)]
    by_name = {m.metric: m for m in found}
    whole = [by_name[name] for name in CLASSIFICATION]
    if business is not None:
        table = cost_table(business, classes=outline.classes)
        whole.append(_paired(card, business_value(card.confusion, table=table)))
    return (*whole, *each)


def label_coverage(card: Scorecard) -> float | None:
    """The share of rows that have a label, assumed ones included, 0 to 1; None without rows."""
    return card.labelled / card.rows if card.rows else None


def _of_scores(outline: Outline, card: Scorecard, *, k: int) -> list[Measured]:
    """The metrics of one scored class's histogram and bins."""
    if not outline.edges:
        return [unknown(name, "no_scores") for name in ("roc_auc", "average_precision", "calibration_error")]
    found = [metric(card.by_label[k], atoms=outline.atoms[k]) for metric in (roc_auc, average_precision)]
    found.append(
        calibration_error(
            card.bin_rows[k], hits=card.bin_hits[k], scores=card.bin_scores[k], squares=card.bin_squares[k]
        )
    )
    return [_scored(card, m) for m in found]


def _of_predictions(card: Scorecard, *, index: int) -> list[Measured]:
    """The confusion metrics of one class."""
    counts = of_class(card.confusion, index=index)
    return [_paired(card, metric(counts)) for metric in CLASS_METRICS.values()]


def _of_classes(outline: Outline, card: Scorecard) -> tuple[list[Measured], list[Measured]]:
    """Macro averages, and the metrics of each class."""
    told = [_of_predictions(card, index=i) for i in range(len(outline.classes))]
    scored = [_of_scores(outline, card, k=k) for k in range(len(outline.edges))] or [_of_scores(outline, card, k=0)]
    n = int(card.confusion.sum())
    whole = [
        macro(name, by_class, n=n, spread=confusion_spread(name, card.confusion))
        for name, by_class in zip(CLASS_METRICS, _transposed(told), strict=True)
    ]
    for by_class in _transposed(scored):
        name, most = by_class[0].metric, max(m.n for m in by_class)
        spread = score_spread(outline, card, metric=name) if name in MACRO_SCORE_METRICS else None
        whole.append(macro(name, by_class, n=most, spread=spread))
    names = [outline.classes[i] for i in outline.scored]
    each = [(outline.classes[i], m) for i, row in enumerate(told) for m in row]
    each += [(name, m) for name, row in zip(names, scored, strict=False) for m in row]
    return whole, [replace(m, metric=f"{m.metric}/{name}") for name, m in each]


def _transposed(rows: Sequence[Sequence[Measured]]) -> list[tuple[Measured, ...]]:
    return list(zip(*rows, strict=True))


def _losses(outline: Outline, card: Scorecard) -> list[Measured]:
    """Log loss and Brier score; a multiclass model must score every class."""
    if not outline.edges:
        return [unknown(name, "no_scores") for name in CLASS_LOSSES]
    if not outline.binary and len(outline.scored) < len(outline.classes):
        return [unknown(name, "unscored_classes") for name in CLASS_LOSSES]
    return [_scored(card, metric(sums)) for metric, sums in zip((log_loss, brier), card.losses, strict=True)]


def _scored(card: Scorecard, found: Measured) -> Measured:
    """Labels there are, but none of the rows has a valid score: that is the reason."""
    return replace(found, reason="no_scores") if found.reason == "no_labels" and card.labelled else found


def _paired(card: Scorecard, found: Measured) -> Measured:
    """No pair of label and prediction: for want of labels, or of predictions."""
    if found.value is not None or card.confusion.sum():
        return found
    return replace(found, reason="no_predictions" if card.labelled else "no_labels")


def _of_numbers(card: Scorecard) -> tuple[Measured, ...]:
    of = dict(zip(NUMBER_LOSSES, card.losses, strict=True))
    pairs = int(of["error"][0])
    found = (
        mae(of["absolute_error"]),
        mse(of["squared_error"]),
        rmse(of["squared_error"]),
        mape(of["percentage_error"], pairs=pairs),
        msle(of["squared_log_error"], pairs=pairs),
        rmsle(of["squared_log_error"], pairs=pairs),
        r2(of["squared_error"], targets=card.targets),
        bias(of["error"]),
    )
    if pairs or not card.labelled:
        return found
    return tuple(replace(m, reason="no_predictions") for m in found)
