"""The replay: healthy history judged as if it were new, and the threshold that keeps the promised rate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from monitor.alert.cells import Cells, Flags, Floats, Integers
from monitor.alert.history import History
from monitor.alert.memory import FEW
from monitor.alert.replay import Replayed, replay
from monitor.alert.scales import far_scales, own_scales, replay_at, stretched, stride_of, until_next_look
from monitor.alert.scoring import Usual, by_scale
from monitor.alert.season import seasons, windows_to_a_week
from monitor.alert.tail import Tails, fit_tails, stacked_tails
from monitor.alert.threshold import Peaks, find_peaks, model_score
from monitor.model.time import DAY_US

_FEWEST_RECENT = 7
State = Literal["learning", "extrapolated", "calibrated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What one scale (sums of ``windows`` windows, looked at every ``stride``) knows of each test."""

    windows: int
    usual: Usual
    tails: Tails

    @property
    def stride(self) -> int:
        """How many windows pass between two looks."""
        return stride_of(self.windows)

    def credited(self, log_p: Floats) -> Floats:
        """−ln p with what fewer looks are worth: a scale looked at every fourth window may be passed four times as
        likely at each look."""
        credited: Floats = log_p + np.log(self.stride)
        return credited


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Several scales as one, the first axis of what differs between them: −ln p of all in one pass."""

    usual: Usual
    tails: Tails
    credit: Floats

    @classmethod
    def of(cls, scales: Sequence[Scale]) -> Together:
        """These scales, of one calibration."""
        return cls(
            usual=by_scale([scale.usual for scale in scales]),
            tails=stacked_tails([scale.tails for scale in scales]),
            credit=np.array([scale.credited(np.zeros(1)) for scale in scales])[:, :, None],
        )

    def log_p(self, x: Floats) -> Floats:
        """−ln p of surprises float64[S, 5, D], one of each scale, with what fewer looks are worth."""
        log_p: Floats = self.tails.surprise(x) + self.credit
        return log_p


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What healthy history taught: each column's usual movement and tail, and the peaks of the model score.

    ``able`` bool[5, D] are the tests that history can teach, ``judged`` those of them that share the budget;
    ``known`` int64[5, D] is in how many windows each could be judged. ``to_a_week`` windows are missing to a whole
    week where a shorter history shows a daily cycle (``season.py``). Of the ``windows`` the first ``own`` are the
    reference's own, the last of which starts at ``own_until_us``, the last of all at ``until_us`` (−1: none);
    ``volume`` is the median of the rows in the newest day of windows, ``daily`` and ``weekly`` the p-values of no such
    season. Of the ``slowest`` of the judged columns ``memory`` windows say what one would. ``own_rows`` are those of
    the reference's own windows, 0 where that was not kept.
    """

    layout_cells: Cells
    scales: tuple[Scale, ...]
    able: Flags
    judged: Flags
    known: Integers
    peaks: Peaks
    windows: int
    windows_per_month: float
    per_month: float
    to_a_week: int
    own: int
    own_until_us: int
    until_us: int
    volume: float
    daily: float = 1.0
    weekly: float = 1.0
    memory: float = 1.0
    slowest: str = ""
    own_rows: float = 0.0

    @cached_property
    def together(self) -> Together:
        """All its scales as one."""
        return Together.of(self.scales)

    @property
    def tests(self) -> int:
        """C, the number of tests that share the budget."""
        return int(self.judged.sum())

    @property
    def needed(self) -> int:
        """Healthy windows before anything is judged: min(60, max(30, N/b)), and a whole week where there is a cycle."""
        fewest = needed_windows(windows_per_month=self.windows_per_month, per_month=self.per_month)
        return max(fewest, self.windows + self.to_a_week) if self.to_a_week else fewest

    @property
    def factor(self) -> float:
        """How far beyond the history the threshold of the whole budget reaches: N/(K b), at least 1."""
        return self.factor_at(self.per_month)

    def factor_at(self, per_month: float) -> float:
        """The same for a part of the budget: so many false alarms a month."""
        return max(1.0, self.windows_per_month / (max(self.windows, 1) * per_month))

    def state_at(self, per_month: float) -> State:
        """The state where so much is spent: for a part of the budget a threshold may reach beyond its history."""
        return "extrapolated" if self.state != "learning" and self.factor_at(per_month) > 1.0 else self.state

    @property
    def independent(self) -> float:
        """How many independent windows the history of the slowest column is worth."""
        return self.windows / self.memory

    @property
    def few(self) -> bool:
        """Whether those are so few that false alarms may come more often than promised."""
        return self.memory > 1.0 and self.independent < FEW

    def usual_rows(self, *, reference_rows: int) -> float | None:
        """The rows of the reference's own windows on average, None where it has none.

        Of all the ``reference_rows`` in calibrations from before those of the windows were kept.
        """
        return (self.own_rows or reference_rows) / self.own if self.own else None

    @property
    def state(self) -> State:
        """``learning`` below ``needed`` windows, ``extrapolated`` below N/b, else ``calibrated``."""
        if self.windows < self.needed:
            return "learning"
        return "extrapolated" if self.factor > 1.0 else "calibrated"

    def threshold(self, *, per_month: float | None = None) -> float:
        """h, the model score passed so often a month (the budget unless told) in healthy windows."""
        rate = self.per_month if per_month is None else per_month
        return self.peaks.threshold(per_month=rate, windows_per_month=self.windows_per_month)


def needed_windows(*, windows_per_month: float, per_month: float) -> int:
    """How many healthy windows a verdict needs.

    >>> needed_windows(windows_per_month=720.0, per_month=1.0), needed_windows(windows_per_month=30.0, per_month=1.0)
    (60, 30)
    """
    return int(min(60, max(30, np.ceil(windows_per_month / per_month))))


def recent_windows(windows_per_month: float) -> int:
    """How many windows are a day, seven at least."""
    return max(_FEWEST_RECENT, round(windows_per_month / 30))


def recent_volume(rows: Sequence[int] | Floats, *, windows_per_month: float) -> float:
    """The median rows of the newest day of windows, of seven at least; rows oldest first, 0 where there are none.

    >>> recent_volume([1] * 700 + [8] * 20, windows_per_month=720.0)
    8.0
    """
    newest = rows[-recent_windows(windows_per_month) :]
    return float(np.median(newest)) if len(newest) else 0.0


def calibrate(
    history: History, *, windows_per_month: float, per_month: float, columns: Collection[str] | None = None,
    among: Flags | None = None,
) -> Calibration:  # fmt: skip
    """The calibration from a history: N windows and b false alarms a month, shared by ``columns`` (default all).

    ``among`` bool[5, D] leaves only those of their tests that share it. Each of five folds is scored by the others
    and read on the tails fitted to the others' scores; the threshold comes from the model scores that gives. (With
    tails of all windows the replay never sees one misjudged: twenty columns that jump like Student's t with three
    degrees alarm six times a month instead of once.) Without windows the state is ``learning`` and scores are those
    of independent rows.
    """
    family = _family(history, columns=columns, among=among)
    replayed = replay(history)
    length_us = round(30 * DAY_US / windows_per_month)
    cycles = seasons(history, length_us=length_us) if history.against is None else (1.0, 1.0)
    moving = history.against is not None and history.against.moving
    scales, log_p = _taught_alone(history, replayed) if moving else _taught(history, replayed)
    slowest = _slowest(replayed.memory, family=family)
    return Calibration(
        layout_cells=history.layout_cells,
        scales=scales,
        able=history.tests,
        judged=family,
        known=np.isfinite(replayed.x).sum(axis=0),
        peaks=find_peaks(_scores(log_p, family=family, windows_per_month=windows_per_month)),
        windows=history.windows,
        windows_per_month=windows_per_month,
        per_month=per_month,
        to_a_week=windows_to_a_week(history, length_us=length_us),
        own=history.own,
        own_until_us=int(history.starts_us[history.own - 1]) if history.own else -1,
        until_us=int(history.starts_us.max(initial=-1)),
        volume=recent_volume(history.rows, windows_per_month=windows_per_month),
        daily=cycles[0],
        weekly=cycles[1],
        memory=1.0 if slowest is None else float(replayed.memory[slowest]),
        slowest="" if slowest is None else history.layout_cells.columns[slowest],
        own_rows=float(history.rows[: history.own].sum()),
    )


def _scores(log_p: Floats, *, family: Flags, windows_per_month: float) -> Floats:
    """The model score float64[K] of every window by the tests that share the budget."""
    judged_p = np.where(family, log_p, np.nan).reshape(len(log_p), family.size)
    return model_score(judged_p, tests=int(family.sum()), looks_per_month=windows_per_month)


def _slowest(memory: Floats, *, family: Flags) -> int | None:
    """The judged column that remembers longest; None where none remembers a window."""
    held = np.where(family[0], memory, 1.0)
    return int(held.argmax()) if held.max(initial=1.0) > 1.0 else None


def _family(history: History, *, columns: Collection[str] | None, among: Flags | None) -> Flags:
    """bool[5, D]: the tests that share the budget."""
    sharing = [columns is None or name in columns for name in history.layout_cells.columns]
    family: Flags = history.tests & np.array(sharing, dtype=bool)
    return family if among is None else family & among


def _taught(history: History, replayed: Replayed) -> tuple[tuple[Scale, ...], Floats]:
    """The scales that the history teaches, and −ln p float64[K, 5, D] of its windows, the most surprising scale's."""
    scales: list[Scale] = []
    most = np.full(replayed.x.shape, np.nan)
    for size in own_scales(history.windows):
        x, fold, usual, looks = replay_at(history, replayed, scale=size)
        scales.append(Scale(windows=size, usual=usual, tails=fit_tails(x, fold=fold)))
        log_p = _by_the_others(x, fold=fold)
        begin = 0
        for look in looks:
            count, at = len(look.sums.ends), np.flatnonzero(look.part.inside)
            standing = until_next_look(
                scales[-1].credited(log_p[begin : begin + count]), ends=look.sums.ends, windows=len(at)
            )
            most[at] = np.fmax(most[at], standing)
            begin += count
    for size in far_scales(history.windows):
        short, long = scales[len(own_scales(history.windows)) - 2 : len(own_scales(history.windows))]
        usual = stretched(
            long.usual, short.usual, scales=(short.windows, long.windows, size), windows=history.windows
        )  # fmt: skip
        scales.append(Scale(windows=size, usual=usual, tails=long.tails))
    return tuple(scales), most


def _taught_alone(history: History, replayed: Replayed) -> tuple[tuple[Scale, ...], Floats]:
    """The same of windows that have a baseline each: single windows only.

    Sums would count several times what the baselines of several windows have in common.
    """
    x, fold = replayed.x, history.fold
    scale = Scale(windows=1, usual=replayed.usual.rounded(), tails=fit_tails(x, fold=fold))
    return (scale,), _by_the_others(x, fold=fold)


def _by_the_others(x: Floats, *, fold: Integers) -> Floats:
    """−ln p of surprises x float64[K, …] on the tails of the other folds."""
    log_p = np.full(x.shape, np.nan)
    for each in np.unique(fold):
        inside = fold == each
        log_p[inside] = fit_tails(x[~inside], fold=fold[~inside]).surprise(x[inside])
    return log_p
