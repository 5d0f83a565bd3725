"""Both sides judged: the rows and verdicts of the whole, or of every window of the current side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alert.bench import Judgement
from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.history import build_history
from monitor.alert.judge import judge, wanted_metrics
from monitor.alert.recent import LONGEST, encode_counts, recent_sums
from monitor.alert.single import judge_once
from monitor.compare.current import CurrentSide
from monitor.compare.reference import ReferenceSide
from monitor.compare.worth import judge_performance
from monitor.drift.bins import Bins, decile_groups
from monitor.drift.compare import compare
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check, budgeted_columns
from monitor.model.thresholds import FalseAlarms
from monitor.model.window import WindowSpec
from monitor.performance.scorecard import Scorecard
from monitor.profile.profile import Profile, merge
from monitor.quality.shares import measure

LOOKBACK = 24  # windows, in time, that a window of few rows may be merged with
OF_ITS_OWN_ROWS = ("volume", "schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSide:
    """Rows and verdicts of one window, or of the whole current side (then start and end are None)."""

    start_us: int | None
    end_us: int | None
    rows: int
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """What every window is judged by, made once; without a ``calibration`` there is no history."""

    reference: ReferenceSide
    checks: tuple[Check, ...]
    bins: Bins
    calibration: Calibration | None
    false_alarms: FalseAlarms
    expected_rows: float | None
    absent: tuple[str, ...]
    asked: bool
    spec: WindowSpec | None

    def worth(self, judgement: Judgement, *, card: Scorecard | None) -> Judgement:
        """The judgement with that of performance, where the reference says something of it."""
        if self.reference.worth is None:
            return judgement
        return judge_performance(
            judgement, side=self.reference.worth, card=card, checks=self.checks, asked=self.asked,
            false_alarms=self.false_alarms, spec=self.spec,
        )  # fmt: skip

    def judge(
        self, current: Profile, *, checks: tuple[Check, ...], sums: Mapping[int, Counts] | None = None
    ) -> Judgement:
        """One profile held against the reference by these checks; ``sums`` are for longer scales."""
        side: dict[str, Any] = {
            "checks": checks, "schema": self.reference.schema, "layout": self.reference.layout,
            "reference": self.reference.profile, "current": current, "absent": self.absent,
            "measurements": self._measurements(current, checks=checks),
        }  # fmt: skip
        if self.calibration is None:
            return judge_once(**side, false_alarms=self.false_alarms)
        return judge(**side, calibration=self.calibration, expected_rows=self.expected_rows, sums=sums)

    def _measurements(self, current: Profile, *, checks: tuple[Check, ...]) -> tuple[Measurement, ...]:
        layout, reference = self.reference.layout, self.reference.profile
        compared: tuple[Measurement, ...] = ()
        if any(check.enabled and check.kind == "drift" for check in checks):
            compared = compare(layout, reference, current, bins=self.bins, metrics=wanted_metrics(checks))
        return compared + measure(layout, reference, current)


def judge_sides(
    reference: ReferenceSide,
    current: CurrentSide,
    *,
    checks: tuple[Check, ...],
    asked: bool,
    false_alarms: FalseAlarms,
    spec: WindowSpec | None,
) -> Iterator[JudgedSide]:
    """The judged windows in time order, or the one whole; ``asked``: the checks are not those by default."""
    court = _court(reference, current, checks=checks, asked=asked, false_alarms=false_alarms, spec=spec)
    if spec is None or current.windows is None:
        judgement = court.worth(court.judge(current.profile, checks=checks), card=current.cards.get(None))
        yield JudgedSide(start_us=None, end_us=None, rows=current.profile.rows, judgement=judgement)
        return
    earlier: list[tuple[int, Profile]] = []
    counted: list[tuple[int, bytes]] = []
    for start_us, profile in current.windows:
        earlier = [e for e in earlier if e[0] >= start_us - LOOKBACK * spec.nominal_us]
        sums = _sums(court, profile, counted=counted, ordinal=spec.ordinal(start_us))
        judgement = _judge_window(court, profile, earlier=[p for _, p in reversed(earlier)], sums=sums)
        if counted and judgement.alone:
            counted.pop()
        judgement = court.worth(judgement, card=current.cards.get(start_us))
        yield JudgedSide(start_us=start_us, end_us=spec.end_of(start_us), rows=profile.rows, judgement=judgement)
        earlier.append((start_us, profile))


def _court(
    reference: ReferenceSide, current: CurrentSide, *, checks: tuple[Check, ...], asked: bool,
    false_alarms: FalseAlarms, spec: WindowSpec | None,
) -> Court:  # fmt: skip
    calibration = None if spec is None else _calibration(
        reference, checks=checks, false_alarms=false_alarms, spec=spec
    )  # fmt: skip
    windows = 0 if calibration is None else calibration.windows
    return Court(
        reference=reference, checks=checks, bins=decile_groups(reference.layout, reference.profile),
        calibration=calibration, false_alarms=false_alarms, absent=current.absent, asked=asked, spec=spec,
        expected_rows=float(round(reference.profile.rows / windows)) if windows else None,
    )  # fmt: skip


def _calibration(
    reference: ReferenceSide, *, checks: tuple[Check, ...], false_alarms: FalseAlarms, spec: WindowSpec
) -> Calibration | None:
    """The thresholds from the reference's own windows, as in the service; None where it has none."""
    if reference.windows is None:
        return None
    history = build_history(reference.layout, reference=reference.profile, windows=reference.windows, contained=True)
    per_month = spec.per_month
    return calibrate(
        history, windows_per_month=per_month, per_month=false_alarms.per_month(per_month),
        columns=budgeted_columns(checks, schema=reference.schema),
    )  # fmt: skip


def _sums(
    court: Court, profile: Profile, *, counted: list[tuple[int, bytes]], ordinal: int
) -> dict[int, Counts] | None:
    """What longer scales are looked at with; ``counted`` keeps the counts of the windows before, and this one's."""
    if court.calibration is None:
        return None
    own = reduce_profile(court.calibration.layout_cells, profile=profile)
    found = recent_sums(own, counted, ordinal=ordinal, scales=[scale.windows for scale in court.calibration.scales])
    counted[:] = [*(each for each in counted if each[0] > ordinal - LONGEST), (ordinal, encode_counts(own))]
    return found


def _judge_window(
    court: Court, profile: Profile, *, earlier: list[Profile], sums: Mapping[int, Counts] | None
) -> Judgement:
    """A window of few rows is judged merged with the ones before it; volume and schema are those of its own rows."""
    least = max((check.min_rows for check in court.checks if check.enabled), default=0)
    merged, windows = profile, 1
    for before in earlier if profile.rows else []:
        if merged.rows >= least:
            break
        merged, windows = merge(merged, before), windows + 1
    if windows == 1:
        return court.judge(profile, checks=court.checks, sums=sums)
    alone = court.judge(profile, checks=tuple(c for c in court.checks if c.kind in OF_ITS_OWN_ROWS))
    together = court.judge(merged, checks=tuple(c for c in court.checks if c.kind not in OF_ITS_OWN_ROWS), sums=sums)
    return together.of_merged(windows, itself=alone)
