"""What models are measured by once labels are known: the metrics of each task, and which direction is bad."""

from __future__ import annotations

from typing import Literal

CONFUSION = ("accuracy", "precision", "recall", "specificity", "f1")
SCORED = ("roc_auc", "average_precision", "log_loss", "brier", "calibration_error")
CLASSIFICATION = (
    "roc_auc",
    "average_precision",
    *CONFUSION,
    "log_loss",
    "brier",
    "calibration_error",
    "business_value",
)
REGRESSION = ("mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "bias")
METRICS = (*CLASSIFICATION, *REGRESSION)
OF_ONE_CLASS = CONFUSION  # also by class, as precision/<class>
LOWER_IS_BETTER = frozenset(
    ("log_loss", "brier", "calibration_error", "mae", "mse", "rmse", "mape", "msle", "rmsle", "bias")
)


def is_metric(name: str) -> bool:
    """Whether the name is a metric of some task, of the whole model or of one class.

    >>> is_metric("roc_auc"), is_metric("recall/yes"), is_metric("recall/"), is_metric("psi")
    (True, True, False, False)
    """
    base, slash, class_ = name.partition("/")
    return base in METRICS and (not slash or (bool(class_) and base in OF_ONE_CLASS))


def of_task(name: str, *, task: str) -> bool:
    """Whether a metric is one of the task's."""
    return name.partition("/")[0] in (REGRESSION if task == "regression" else CLASSIFICATION)


def bad_side(name: str) -> Literal["above", "below"]:
    """Where a metric's bad values are.

    >>> bad_side("roc_auc"), bad_side("mae")
    ('below', 'above')
    """
    return "above" if name.partition("/")[0] in LOWER_IS_BETTER else "below"


def default_metric(*, task: str, scored: bool) -> str:
    """What a performance check decides on when nobody said: what needs no threshold and no unit of its own.

    >>> default_metric(task="binary_classification", scored=True), default_metric(task="regression", scored=False)
    ('roc_auc', 'mae')
    """
    if task == "regression":
        return "mae"
    return "roc_auc" if scored else "accuracy"
