"""The names of what is claimed: each piece of scheduled work is one (job, subject, scheduled time), done once.

A subject is a version's id, of a join its model (``runs.model_subject``). The scheduled time tells occurrences apart
and is the same whichever process names it: a window's occurrence is when it closed, a microsecond later for each
revision it has had; a fold's is the hour and the number of the fold before it, so that one that always fails is tried
again every hour; a join's likewise.
"""

from __future__ import annotations

from monitor.model.time import HOUR_US

FOLD = "fold"
JOIN = "join"
EVALUATE = "evaluate"
SILENCE = "silence"
CALIBRATE = "calibrate"
CLAIMED = (FOLD, JOIN, EVALUATE, SILENCE, CALIBRATE)


def fold_occurrence(*, fold_seq: int, now_us: int) -> int:
    """The scheduled time of the version's next fold.

    >>> fold_occurrence(fold_seq=7, now_us=3_600_000_500)
    3600000007
    """
    return now_us - now_us % HOUR_US + fold_seq


def join_occurrence(*, joins: int, now_us: int) -> int:
    """The scheduled time of the next join of a model that has been joined so often.

    >>> join_occurrence(joins=7, now_us=3_600_000_500)
    3600000007
    """
    return now_us - now_us % HOUR_US + joins


def window_occurrence(*, closes_us: int, revision: int) -> int:
    """The scheduled time of a window's next computation.

    >>> window_occurrence(closes_us=3_600_000_000, revision=2)
    3600000002
    """
    return closes_us + revision
