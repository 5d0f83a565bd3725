"""What one version's series are made from: the store's facts, and its columns in the order they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.export.columns import Columns
from monitor.model.drills import Drill
from monitor.model.entities import Model, Version
from monitor.model.results import CheckState
from monitor.model.silences import Silence, Snooze


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The newest judged window of a version."""

    start_us: int
    end_us: int
    rows: int
    segment_rows: Mapping[str, int] = field(default_factory=dict)  # of the segments that were judged


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """Labels of a model: ``waiting`` to be looked for, and ``unmatched``, in no record so far."""

    waiting: int = 0
    unmatched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """One version as the page shows it. ``newest_end_us`` is the end of the newest window that has rows, if any.

    ``labels`` are the model's; None where it never had any. ``silences`` of the model and ``snoozes`` of the version:
    those that have not been over for a day. ``drill`` is the newest whose alert has not resolved.
    """

    model: Model
    version: Version
    states: tuple[CheckState, ...] = ()
    window: Window | None = None
    newest_end_us: int | None = None
    columns: Columns = field(default_factory=Columns)
    labels: LabelCounts | None = None
    silences: tuple[Silence, ...] = ()
    snoozes: tuple[Snooze, ...] = ()
    drill: Drill | None = None

    def stale(self, *, now_us: int) -> bool:
        """Whether the newest window (without any: the version itself) is older than ``stale_after``."""
        newest_us = self.newest_end_us if self.newest_end_us is not None else self.version.created_us
        return now_us - newest_us > self.model.stale_us
