"""How often jobs look, how long a claim lasts, how much they do at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.model.profile_ages import ProfileAges
from monitor.model.retention import Retention
from monitor.model.segments import MAX_SEGMENTS
from monitor.model.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """The rhythm of one process's jobs; the defaults are the service's.

    ``fold_rows`` waiting rows start a fold at once, but a version is folded at most every ``fold_interval_us``
    unless one of its windows closes. Labels wait ``gather_us`` for others before they are joined (0: not at all).
    ``slow_us`` sends a version to the lane of its own, see ``lanes``; work without progress for ``patience_us`` hangs.
    """

    tick_us: int = SECOND_US
    fold_rows: int = 10_000
    fold_interval_us: int = MINUTE_US
    infer_rows: int = 1_000
    gather_us: int = 10 * SECOND_US
    workers: int = 2
    lease_us: int = 30 * SECOND_US
    retry_us: int = 10 * SECOND_US
    slow_us: int = 10 * SECOND_US
    patience_us: int = 5 * MINUTE_US
    claims_together: int = 32
    sweep_every_us: int = 10 * SECOND_US
    succession_every_us: int = MINUTE_US
    segments_every_us: int = MINUTE_US
    compact_every_us: int = 5 * MINUTE_US
    tidy_every_us: int = HOUR_US
    purge_every_us: int = MINUTE_US
    keep_runs_us: int = 7 * DAY_US
    keep_folds_us: int = HOUR_US
    max_segments: int = MAX_SEGMENTS
    profile_ages: ProfileAges = field(default_factory=ProfileAges)
    retention: Retention = field(default_factory=Retention)
