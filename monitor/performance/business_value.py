"""Business value: what a labelled row is worth on average, given what each outcome is worth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.performance.intervals import mean_of
from monitor.performance.measured import Measured
from monitor.performance.outline import Floats, Integers

CostMatrix = Mapping[str, Mapping[str, float]]  # label → prediction → value of one such row


def cost_table(matrix: CostMatrix, *, classes: tuple[str, ...]) -> Floats:
    """float64[C + 1, C + 1] of a matrix by names; what is not named, classes never seen too, is worth 0.

    ``ValueError`` for a name that is no class.

    >>> cost_table({"yes": {"yes": 5.0, "no": -10}}, classes=("no", "yes")).tolist()
    [[0.0, 0.0, 0.0], [-10.0, 5.0, 0.0], [0.0, 0.0, 0.0]]
    """
    strange = sorted({*matrix, *(p for row in matrix.values() for p in row)} - set(classes))
    if strange:
        raise ValueError(f"business value: {', '.join(map(repr, strange))} of {classes!r}: name classes of the labels")
    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes) + 1, len(classes) + 1))
    for label, row in matrix.items():
        for prediction, value in row.items():
            table[place[label], place[prediction]] = value
    return table


def business_value(confusion: Integers, *, table: Floats) -> Measured:
    """The mean worth of the rows of int64[C + 1, C + 1] (label × prediction), each worth its place in ``table``.

    In the table's unit a row; times the rows it is the window's worth. Undefined without rows (``no_labels``).
    Source: Elkan (2001), The foundations of cost-sensitive learning, IJCAI.

    >>> business_value(np.array([[6, 2], [1, 1]]), table=np.array([[0.0, -1.0], [-10.0, 5.0]])).value
    -0.7
    """
    rows = confusion.astype(np.float64)
    sums = np.array([rows.sum(), *((rows * table**power).sum() for power in (1, 2, 3))])
    return mean_of("business_value", sums, least=None)
