"""Both sides judged: the rows and verdicts of the whole, or of every window of the current side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from monitor.alert.bench import Judgement
from monitor.alert.budget import Spending, spread
from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.history import build_history
from monitor.alert.judge import judge, wanted_metrics
from monitor.alert.recent import LONGEST, encode_counts, recent_sums
from monitor.alert.single import judge_once, tests_of
from monitor.compare.current import CurrentSide
from monitor.compare.reference import ReferenceSide
from monitor.compare.slices import Slice
from monitor.compare.worth import judge_performance
from monitor.drift.bins import Bins, decile_groups
from monitor.drift.compare import compare
from monitor.drift.measurement import Measurement
from monitor.model.checks import Check, budgeted_columns, checks_of
from monitor.model.schema import Schema
from monitor.model.segments import ALL_TRAFFIC
from monitor.model.thresholds import FalseAlarms
from monitor.model.window import WindowSpec
from monitor.performance.scorecard import Scorecard
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, empty, merge
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
    """What every window of a segment is judged by, made once; without a ``calibration`` there is no history.

    ``profile`` is the segment's own of the reference; ``tests`` are those of this and all other segments, which share
    the budget, and ``spending`` says which part of it is for this one.
    """

    segment: str
    reference: ReferenceSide
    profile: Profile
    checks: tuple[Check, ...]
    tests: int
    spending: Spending
    bins: Bins
    calibration: Calibration | None
    false_alarms: FalseAlarms
    expected_rows: float | None
    absent: tuple[str, ...]
    asked: bool
    spec: WindowSpec | None

    def worth(self, judgement: Judgement, *, card: Scorecard | None) -> Judgement:
        """The judgement with that of performance, where the reference says something of it; all traffic's only."""
        if self.reference.worth is None or self.segment != ALL_TRAFFIC:
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
            "reference": self.profile, "current": current, "absent": self.absent,
            "measurements": self._measurements(current, checks=checks),
        }  # fmt: skip
        if self.calibration is None:
            return judge_once(**side, false_alarms=self.false_alarms, tests=self.tests)
        return judge(
            **side,
            calibration=self.calibration,
            expected_rows=self.expected_rows,
            sums=sums,
            spending=self.spending,
        )

    def _measurements(self, current: Profile, *, checks: tuple[Check, ...]) -> tuple[Measurement, ...]:
        layout, reference = self.reference.layout, self.profile
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
    """The judged windows in time order, or the one whole: all traffic, and behind it each segment that a check is of.

    ``asked``: the checks are not those by default.
    """
    courts = _courts(reference, current, checks=checks, asked=asked, false_alarms=false_alarms, spec=spec)
    judged: list[list[JudgedSide]] = []
    for court in courts:
        if spec is None or current.windows is None:
            judged.append([_judge_whole(court, current)])
        elif court.segment == ALL_TRAFFIC:
            judged.append(list(_judge_windows(court, current.windows, cards=current.cards, spec=spec)))
        else:
            starts = [side.start_us or 0 for side in judged[0]]
            windows = _at(starts, current.slices[court.segment], layout=reference.layout)
            judged.append(list(_judge_windows(court, windows, cards={}, spec=spec)))
    for sides in zip(*judged, strict=True):
        yield replace(sides[0], judgement=_together([side.judgement for side in sides], courts=courts))


def _judge_whole(court: Court, current: CurrentSide) -> JudgedSide:
    profile = current.profile if court.segment == ALL_TRAFFIC else current.slices[court.segment].profile
    judgement = court.worth(court.judge(profile, checks=court.checks), card=current.cards.get(None))
    return JudgedSide(start_us=None, end_us=None, rows=profile.rows, judgement=judgement)


def _judge_windows(
    court: Court, windows: Iterable[tuple[int, Profile]], *, cards: Mapping[int | None, Scorecard], spec: WindowSpec
) -> Iterator[JudgedSide]:
    """The windows of one segment in time order, each with what the ones before it lend."""
    earlier: list[tuple[int, Profile]] = []
    counted: list[tuple[int, bytes]] = []
    for start_us, profile in windows:
        earlier = [e for e in earlier if e[0] >= start_us - LOOKBACK * spec.nominal_us]
        sums = _sums(court, profile, counted=counted, ordinal=spec.ordinal(start_us))
        judgement = _judge_window(court, profile, earlier=[p for _, p in reversed(earlier)], sums=sums)
        if counted and judgement.alone:
            counted.pop()
        judgement = court.worth(judgement, card=cards.get(start_us))
        yield JudgedSide(start_us=start_us, end_us=spec.end_of(start_us), rows=profile.rows, judgement=judgement)
        earlier.append((start_us, profile))


def _at(starts: Iterable[int], part: Slice, *, layout: Layout) -> Iterator[tuple[int, Profile]]:
    """A slice's profile of each window of all traffic; one that it has no row in is empty."""
    own = iter(part.windows or ())
    held = next(own, None)
    for start_us in starts:
        if held is not None and held[0] == start_us:
            yield held
            held = next(own, None)
        else:
            yield start_us, empty(layout)


def _together(judgements: Sequence[Judgement], *, courts: Sequence[Court]) -> Judgement:
    """One judgement of all segments; rows and verdicts say whose they are."""
    if len(courts) == 1:
        return judgements[0]
    named = list(zip(judgements, (court.segment for court in courts), strict=True))
    return replace(
        judgements[0],
        rows=tuple(
            msgspec.structs.replace(row, segment=segment) for judgement, segment in named for row in judgement.rows
        ),
        verdicts=tuple(replace(v, segment=segment) for judgement, segment in named for v in judgement.verdicts),
    )


def _courts(
    reference: ReferenceSide, current: CurrentSide, *, checks: tuple[Check, ...], asked: bool,
    false_alarms: FalseAlarms, spec: WindowSpec | None,
) -> list[Court]:  # fmt: skip
    """All traffic's, and one for each segment that an enabled check is of and that has a row on either side."""
    sides = {ALL_TRAFFIC: Slice(profile=reference.profile, windows=reference.windows), **reference.slices}
    own = {name: checks_of(checks, segment=name) for name in sides}
    sides = {
        name: side
        for name, side in sides.items()
        if name == ALL_TRAFFIC or (own[name] and (side.profile.rows or current.slices[name].profile.rows))
    }
    tests = {
        name: tests_of(own[name], schema=reference.schema, layout=reference.layout, reference=side.profile)
        for name, side in sides.items()
    }
    total = sum(tests.values()) or 1
    spending = spread(checks, places=[own[name] for name in sides])
    courts: list[Court] = []
    usual: float | None = None
    for name, side in sides.items():
        calibration = None if spec is None else _calibration(
            reference.layout, side, schema=reference.schema, checks=own[name], false_alarms=false_alarms, spec=spec
        )  # fmt: skip
        if name == ALL_TRAFFIC and calibration is not None:
            usual = calibration.usual_rows(reference_rows=side.profile.rows)
        part = side.profile.rows / max(reference.profile.rows, 1)
        courts.append(Court(
            segment=name, reference=reference, profile=side.profile, checks=own[name], tests=total,
            spending=replace(spending, share=tests[name] / total), bins=decile_groups(reference.layout, side.profile),
            calibration=calibration, false_alarms=false_alarms, absent=current.absent, asked=asked, spec=spec,
            expected_rows=None if usual is None else float(round(usual * part)),
        ))  # fmt: skip
    return courts


def _calibration(
    layout: Layout, side: Slice, *, schema: Schema, checks: tuple[Check, ...], false_alarms: FalseAlarms,
    spec: WindowSpec,
) -> Calibration | None:  # fmt: skip
    """The thresholds from the reference's own windows, as in the service; None where it has none."""
    if side.windows is None:
        return None
    history = build_history(layout, reference=side.profile, windows=side.windows, contained=True)
    per_month = spec.per_month
    return calibrate(
        history, windows_per_month=per_month, per_month=false_alarms.per_month(per_month),
        columns=budgeted_columns(checks, schema=schema),
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
