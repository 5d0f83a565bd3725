"""Which labels stand in which windows: sorted keys held against sorted id runs, each run read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.columns.keyed_ids import Hashes
from monitor.evaluate.label_codec import Labels, Positions, join_labels, newest, take_labels
from monitor.evaluate.label_segments import Kept, Mask
from monitor.store.ids import RunHead

Window = tuple[int, int]  # version id, start of the window in microseconds


def places(keys: Hashes, run: Hashes) -> Positions:
    """int64[m]: where in the ascending ``keys`` those stand that are in the ascending ``run``, ascending.

    >>> places(np.array([1, 5, 9], dtype=np.uint64), np.array([5, 6, 9], dtype=np.uint64)).tolist()
    [1, 2]
    """
    if not len(keys) or not len(run):
        return np.empty(0, np.int64)
    first, last = np.searchsorted(keys, run[[0, -1]]).tolist()
    inside = keys[first : last + 1]
    if len(inside) <= len(run):  # the shorter side is looked for in the longer
        at = np.minimum(np.searchsorted(run, inside), len(run) - 1)
        return np.asarray(first + np.flatnonzero(run[at] == inside), dtype=np.int64)
    at = np.minimum(np.searchsorted(inside, run), len(inside) - 1)
    return np.asarray(first + at[inside[at] == run], dtype=np.int64)


@dataclass(slots=True)
class NewMatches:
    """The labels that wait, ascending by key, and where they were found."""

    labels: Labels
    found: Mask
    windows: dict[Window, list[Positions]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(cls, labels: Labels) -> NewMatches:
        """Nothing found yet."""
        return cls(labels=labels, found=np.zeros(len(labels.keys), dtype=np.bool_))

    def look(self, run: RunHead, keys: Hashes) -> None:
        """Takes in what of the labels is in the run."""
        at = places(self.labels.keys, keys)
        if len(at):
            self.found[at] = True
            self.count += len(at)
            self.windows.setdefault((run.version_id, run.window_start_us), []).append(at.astype(np.int32))


@dataclass(slots=True)
class OldMatches:
    """Labels of segments that later records brought a place for.

    A run that absorbed others brings their labels once more: those that a window has already are left out. ``found``
    is segment id → which of its labels have been found by now, where that has changed.
    """

    read: Callable[[int], Kept]
    held_labels: Callable[[Window], Labels]
    windows: dict[Window, list[Labels]] = field(default_factory=dict)
    found: dict[int, Mask] = field(default_factory=dict)

    def look(self, runs: list[tuple[RunHead, Hashes]], *, segment_ids: list[int]) -> None:
        """Takes in what of the segments is in the runs; each segment is read once."""
        pieces: dict[Window, list[Labels]] = {}
        repeated: set[Window] = set()
        for id in segment_ids if runs else ():
            kept = self.kept(id)
            found = kept.found.copy()
            for run, keys in runs:
                at = places(kept.labels.keys, keys)
                if len(at):
                    window = (run.version_id, run.window_start_us)
                    pieces.setdefault(window, []).append(take_labels(kept.labels, at))
                    if kept.found[at].any():
                        repeated.add(window)
                    found[at] = True
            if (found != kept.found).any():
                self.found[id] = found
        for window, some in pieces.items():
            labels = newest(join_labels(some))[0]
            if window in repeated:
                labels = _without(labels, self.held_labels(window))
            if len(labels.keys):
                self.windows.setdefault(window, []).append(labels)

    def kept(self, id: int) -> Kept:
        """The segment with what has been found by now."""
        kept = self.read(id)
        found = self.found.get(id)
        return kept if found is None else Kept(labels=kept.labels, found=found)


def labels_of(window: Window, *, new: NewMatches, old: Mapping[Window, list[Labels]]) -> Labels:
    """What was found for the window, ascending by key."""
    at = new.windows.get(window, [])
    fresh = [take_labels(new.labels, np.sort(np.concatenate(at)))] if at else []
    if fresh and window not in old:
        return fresh[0]
    return newest(join_labels([*old.get(window, []), *fresh]))[0]


def _without(labels: Labels, held: Labels) -> Labels:
    """The labels that are newer than what is held of their keys; both ascending by key."""
    if not len(held.keys):
        return labels
    at = np.minimum(np.searchsorted(held.keys, labels.keys), len(held.keys) - 1)
    known = (held.keys[at] == labels.keys) & (held.seqs[at] >= labels.seqs)
    return take_labels(labels, ~known)
