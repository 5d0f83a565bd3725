"""What a model is worth: measured where labels came, estimated where they did not. Pure.

An ``Outline`` is made once from the reference; ``count`` makes a window's ``Scorecard``, ``merge`` adds them up,
``measure`` gives every metric of one, ``fall`` judges a metric against the reference's.
"""

from monitor.performance.business_value import CostMatrix, cost_table
from monitor.performance.codec import decode, encode
from monitor.performance.counting import count
from monitor.performance.effects import EFFECTS, effect_of, smallest_effect
from monitor.performance.fall import Fall, between_variance, fall
from monitor.performance.measure import label_coverage, measure
from monitor.performance.measured import Measured
from monitor.performance.outline import Outline, score_cells
from monitor.performance.scorecard import Scorecard, empty, merge

__all__ = [
    "EFFECTS",
    "CostMatrix",
    "Fall",
    "Measured",
    "Outline",
    "Scorecard",
    "between_variance",
    "cost_table",
    "count",
    "decode",
    "effect_of",
    "empty",
    "encode",
    "fall",
    "label_coverage",
    "measure",
    "merge",
    "score_cells",
    "smallest_effect",
]  # fmt: skip
