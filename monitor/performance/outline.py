"""What a scorecard counts: the task, its classes, the cells of its scores, when a score means the positive class.

An outline is made once from a version's reference and shared by the scorecards of all its windows, as a layout is by
profiles. Cells are right-closed between ascending edges, as in ``monitor.profile.layout``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.profile.cells import atoms_of, numeric_cells
from monitor.profile.frames import deflate, inflate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

OutlineTask = Literal["binary_classification", "multiclass_classification", "regression"]
MAX_CELLS = 2_001  # of one score column
MAX_ALL_CELLS = 200_000  # of all score columns of a multiclass model together
MAX_DISTINCT = 1_000  # up to as many score values each has a cell of its own: nothing is lost


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """The frame of a scorecard.

    ``classes`` are the C category texts of the reference's labels (binary: two, one of them ``positive``); none for
    regression. ``edges`` has a float64[B - 1] for each of the K scored classes, ``centers`` a float64[B] with the mean
    reference score in each cell; both empty without scores. ``scored`` are the positions of the scored classes: unless
    told the positive one, or all of them. ``threshold``: a score at or above it means the positive class.
    ``histograms`` has of each scored class the reference's expected rows float64[2, B] by (other, class) and score
    cell, from which a multiclass scorecard learns how its classes hang together (``supposing``); empty where not known.
    ``center`` is the reference's mean label (regression), about which labels are summed. ``ValueError`` where these
    do not fit together.
    """

    task: OutlineTask
    classes: tuple[str, ...] = ()
    positive: str | None = None
    edges: tuple[Floats, ...] = ()
    centers: tuple[Floats, ...] = ()
    histograms: tuple[Floats, ...] = ()
    scored: tuple[int, ...] = ()
    threshold: float = 0.5
    center: float = 0.0

    def __post_init__(self) -> None:
        if not self.scored and self.edges:
            every = (self.positive_index,) if self.binary else tuple(range(len(self.classes)))
            object.__setattr__(self, "scored", every)
        problem = _problem(self)
        if problem:
            raise ValueError(f"outline: {problem}")

    @property
    def binary(self) -> bool:
        """Whether there are two classes, one of them the positive one."""
        return self.task == "binary_classification"

    @property
    def regression(self) -> bool:
        """Whether labels are numbers."""
        return self.task == "regression"

    @property
    def positive_index(self) -> int:
        """The position of the positive class; ``ValueError`` where there is none."""
        return self.classes.index(self.positive or "")

    @property
    def cells(self) -> int:
        """B: the cells of the score column that has the most; the others leave their last ones empty."""
        return max((len(e) + 1 for e in self.edges), default=0)

    @cached_property
    def atoms(self) -> Flags:
        """bool[K, B]: the cells that hold one value only, where a histogram loses nothing."""
        flags = np.zeros((len(self.edges), self.cells), np.bool_)
        for k, edges in enumerate(self.edges):
            flags[k, : len(edges) + 1] = atoms_of(edges)
        return flags

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the encoded outline: scorecards of equal digests fit together."""
        from monitor.performance.outline_codec import outline_bytes

        return hashlib.sha256(outline_bytes(self)).hexdigest()

    def encode(self) -> bytes:
        """The outline as bytes, which ``decode`` reads."""
        from monitor.performance.outline_codec import outline_bytes

        return deflate(outline_bytes(self))

    @classmethod
    def decode(cls, body: bytes) -> Outline:
        """The outline of ``encode``'s bytes; ``ValueError`` for anything else."""
        from monitor.performance.outline_codec import outline_of_bytes

        return outline_of_bytes(inflate(body))

    def supposing(self, columns: Sequence[Floats]) -> Outline:
        """The outline with the histograms that reference scores promise, float64[n] of each scored class.

        Each score is taken for the probability it says (invalid ones are left out), which is right enough for how the
        classes hang together: scores twice too steep move a standard error by a tenth. A model without several score
        columns needs no such knowledge: then it is the outline itself.
        """
        if self.binary or not self.edges:
            return self
        promised = []
        for scores, edges in zip(columns, self.edges, strict=True):
            valid = _valid(scores)
            cells = np.searchsorted(edges, valid)
            rows = [np.bincount(cells, weights=w, minlength=len(edges) + 1) for w in (1.0 - valid, valid)]
            promised.append(np.array(rows, dtype=np.float64))
        return replace(self, histograms=tuple(promised))

    def coarsened(self, *, most: int = MAX_ALL_CELLS) -> Outline:
        """The outline with K · B at most ``most``: of each class's edges every m-th is kept, two cells at least.

        The center of a coarse cell is the mean of the centers it joins. Itself where it already fits.

        >>> fine = Outline(task="binary_classification", classes=("no", "yes"), positive="yes",
        ...                edges=(np.array([0.2, 0.4, 0.6]),), centers=(np.array([0.1, 0.3, 0.5, 0.8]),))
        >>> coarse = fine.coarsened(most=2)
        >>> coarse.edges[0].tolist(), coarse.centers[0].tolist()
        ([0.4], [0.2, 0.65])
        """
        if len(self.edges) * self.cells <= most:
            return self
        room = max(most // len(self.edges), 2)
        kept = [_kept_edges(len(e), room=room) for e in self.edges]
        starts = [np.concatenate(([0], at + 1)) for at in kept]
        sums = [np.add.reduceat(c, s) for c, s in zip(self.centers, starts, strict=True)]
        sizes = [np.diff(np.append(s, len(c))) for c, s in zip(self.centers, starts, strict=True)]
        return replace(
            self,
            edges=tuple(e[at] for e, at in zip(self.edges, kept, strict=True)),
            centers=tuple(total / size for total, size in zip(sums, sizes, strict=True)),
            histograms=tuple(np.add.reduceat(h, s, axis=1) for h, s in zip(self.histograms, starts, strict=False)),
        )


def score_cells(scores: Floats) -> tuple[Floats, Floats]:
    """Edges float64[B - 1] and centers float64[B] from a class's reference scores float64[n] (invalid ones left out).

    With at most 1,000 distinct scores each has a cell of its own, else the cells are the thousandths of the scores and
    those frequent enough for one of their own. An empty cell's center is the middle of its edges, within 0 to 1.

    >>> edges, centers = score_cells(np.array([0.25, 0.75, 0.75, np.nan]))
    >>> centers.round(9).tolist()
    [0.125, 0.25, 0.5, 0.75, 0.875]
    """
    valid = _valid(scores)
    distinct = np.unique(valid)
    few = distinct if len(distinct) <= MAX_DISTINCT else None
    low, high = (float(distinct[0]), float(distinct[-1])) if len(distinct) else (0.0, 1.0)
    edges, _ = numeric_cells(valid, distinct=few, low=low, high=high)
    cells = np.searchsorted(edges, valid)
    rows = np.bincount(cells, minlength=len(edges) + 1)
    ends = np.clip(np.concatenate(([0.0], edges, [1.0])), 0.0, 1.0)
    sums = np.bincount(cells, weights=valid, minlength=len(edges) + 1)
    return edges, np.where(rows > 0, sums / np.maximum(rows, 1), (ends[:-1] + ends[1:]) / 2)


def _valid(scores: Floats) -> Floats:
    """The scores within 0 to 1, without negative zeros."""
    return scores[(scores >= 0) & (scores <= 1)] + 0.0


def _kept_edges(edges: int, *, room: int) -> Integers:
    """The positions of at most room - 1 of so many edges, evenly spread."""
    step = -(-(edges + 1) // room)
    return np.arange(step - 1, edges, step, dtype=np.int64)


def _problem(outline: Outline) -> str | None:
    """What does not fit together, or None."""
    classes, edges = outline.classes, outline.edges
    if outline.regression:
        return "regression has neither classes nor scores" if classes or edges else None
    if len(set(classes)) != len(classes) or len(classes) < 2:
        return f"classes {classes!r}, expected at least two, each once"
    if outline.binary and (len(classes) != 2 or outline.positive not in classes):
        return f"positive {outline.positive!r} of {classes!r}, expected one of two classes"
    if len(outline.scored) != len(edges) or not set(outline.scored) <= set(range(len(classes))):
        return f"{len(edges)} score columns for the classes at {outline.scored}"
    if outline.binary and edges and outline.scored != (outline.positive_index,):
        return "the score of a binary model is that of its positive class"
    if [len(e) + 1 for e in edges] != [len(c) for c in outline.centers]:
        return "a cell without a center"
    if outline.histograms and [h.shape for h in outline.histograms] != [(2, len(c)) for c in outline.centers]:
        return "histograms of other cells"
    if not all(np.isfinite(e).all() and (np.diff(e) > 0).all() for e in edges):
        return "edges that do not ascend"
    return None
