"""Metrics of confusion counts: accuracy over all classes; precision, recall, specificity and F1 of each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.performance.intervals import wilson
from monitor.performance.measured import Measured, unknown
from monitor.performance.outline import Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class OneAgainstRest:
    """The counts of one class: ``tp`` rightly told, ``fp`` wrongly told, ``fn`` missed, ``tn`` rightly not told."""

    tp: int
    fp: int
    fn: int
    tn: int


def of_class(confusion: Integers, *, index: int) -> OneAgainstRest:
    """The counts of the class at ``index`` of the confusion int64[C + 1, C + 1] (label × prediction).

    >>> of_class(np.array([[5, 1, 0], [2, 3, 0], [0, 1, 0]]), index=1)
    OneAgainstRest(tp=3, fp=2, fn=2, tn=5)
    """
    tp = int(confusion[index, index])
    fp, fn = int(confusion[:, index].sum()) - tp, int(confusion[index].sum()) - tp
    return OneAgainstRest(tp=tp, fp=fp, fn=fn, tn=int(confusion.sum()) - tp - fp - fn)


def accuracy(confusion: Integers) -> Measured:
    """The share of rows whose prediction is their label, from int64[C + 1, C + 1]; Wilson's interval.

    The last row and column are classes that the reference never had: always a miss, for two of them need not be equal.
    Undefined without rows (``no_labels``).

    >>> accuracy(np.array([[5, 1, 0], [2, 3, 0], [0, 1, 0]])).value
    0.6666666666666666
    """
    n = int(confusion.sum())
    return share("accuracy", hits=int(np.trace(confusion[:-1, :-1])), n=n, otherwise="no_labels")


def precision(counts: OneAgainstRest) -> Measured:
    """tp / (tp + fp): of the rows told to be of the class, the share that is; Wilson's interval.

    Undefined where no row is told to be (``none_predicted``): scikit-learn's 0 with a warning, its ``zero_division``.
    """
    return share("precision", hits=counts.tp, n=counts.tp + counts.fp, otherwise="none_predicted")


def recall(counts: OneAgainstRest) -> Measured:
    """tp / (tp + fn): of the rows of the class, the share told to be; Wilson's interval.

    Undefined without rows of the class (``one_class``): scikit-learn's 0 with a warning, or its ``zero_division``.
    """
    return share("recall", hits=counts.tp, n=counts.tp + counts.fn, otherwise="one_class")


def specificity(counts: OneAgainstRest) -> Measured:
    """tn / (tn + fp): of the rows of other classes, the share not told to be of this; Wilson's interval.

    Undefined without rows of other classes (``one_class``). It is the recall of "all others".
    """
    return share("specificity", hits=counts.tn, n=counts.tn + counts.fp, otherwise="one_class")


def f1(counts: OneAgainstRest) -> Measured:
    """2 tp / (2 tp + fp + fn), the harmonic mean of precision and recall.

    With J = tp / (tp + fp + fn), the share of rightly told rows among those told or missed, F1 = 2 J / (1 + J), which
    rises with J: so the interval is Wilson's for J, carried over. Undefined where the class is neither in the labels
    nor in the predictions (``one_class``); 0 where nothing is rightly told, as scikit-learn.
    Source: van Rijsbergen (1979), Information Retrieval, ch. 7; Jaccard (1901) for J.

    >>> f1(OneAgainstRest(tp=3, fp=2, fn=2, tn=5)).value
    0.6
    """
    found = share("f1", hits=counts.tp, n=counts.tp + counts.fp + counts.fn, otherwise="one_class")
    if found.value is None or found.lower is None or found.upper is None or found.se is None:
        return found
    value, lower, upper = (2 * j / (1 + j) for j in (found.value, found.lower, found.upper))
    middle = (found.lower + found.upper) / 2
    method = {"interval": "Wilson of tp / (tp + fp + fn)"}
    se = found.se * 2 / (1 + middle) ** 2
    return Measured(metric="f1", value=value, lower=lower, upper=upper, se=se, n=found.n, method=method)


def share(metric: str, *, hits: int, n: int, otherwise: str) -> Measured:
    """The share of n rows with Wilson's interval; unknown for the reason ``otherwise`` where there are none."""
    if not n:
        return unknown(metric, otherwise)
    lower, upper, se = wilson(hits, n)
    method = {"interval": "Wilson"}
    return Measured(metric=metric, value=hits / n, lower=lower, upper=upper, se=se, n=n, method=method)


CLASS_METRICS: Mapping[str, Callable[[OneAgainstRest], Measured]] = {
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "f1": f1,
}
