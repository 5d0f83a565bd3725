"""What baselines other than the reference are calibrated by: the same healthy history, held against the same rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration, calibrate
from monitor.alert.cells import reduce_profile
from monitor.alert.codec import encode_calibration
from monitor.alert.held import held_by, held_fixed
from monitor.alert.history import History
from monitor.evaluate.context import VersionContext, checks_of
from monitor.evaluate.groups import Group, groups_of, tests_of
from monitor.evaluate.reference_profile import budget
from monitor.model.baseline import Baseline
from monitor.model.calendar import places
from monitor.model.checks import Check
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model, Version
from monitor.model.schema import Schema
from monitor.model.window import WindowSpec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.store.baselines import save_baseline_calibration


def untaught(context: VersionContext) -> bool:
    """Whether checks are held against a baseline that no calibration was made for yet.

    A segment without a healthy window of its own has nothing to make one of.
    """
    known = [one for one in context.slices if one.calibration is not None and one.calibration.windows]
    return any(group.baseline not in one.taught for one in (context, *known) for group in one.groups[1:])


def outgrown(context: VersionContext, *, since: Sequence[tuple[int, int]]) -> bool:
    """Whether a baseline's calibration is learning though windows enough have come since."""
    taught = [context.taught[group.baseline] for group in context.groups[1:] if group.baseline in context.taught]
    return any(
        one.state == "learning" and one.windows + sum(start > one.until_us for start, _ in since) >= one.needed
        for one in taught
    )


def save_taught(
    conn: Connection, taught: Mapping[Baseline, Calibration], *, version_id: int, reference_id: int, made_us: int,
    segment: str = "",
) -> None:  # fmt: skip
    """Keeps the segment's calibrations by their baselines."""
    for baseline, calibration in taught.items():
        save_baseline_calibration(
            conn, version_id=version_id, reference_id=reference_id, baseline=baseline.text, made_us=made_us,
            payload=encode_calibration(calibration), segment=segment,
        )  # fmt: skip


def moved(history: History, *, baseline: Baseline, spec: WindowSpec, source: History | None = None) -> History:
    """The history held against what the rule chooses among its own windows, or those of another version's."""
    return held_by(
        history, places=lambda start_us: places(baseline, start_us=start_us, spec=spec),
        min_windows=baseline.min_windows, source=source,
    )  # fmt: skip


def fixed(history: History, *, baseline: Baseline, total: Profile) -> History:
    """The history held against fixed windows, ``total`` their sum."""
    inside = (history.starts_us >= baseline.from_us) & (history.starts_us < baseline.to_us)
    return held_fixed(
        history, inside=np.asarray(inside), total=reduce_profile(history.layout_cells, profile=total)
    )  # fmt: skip


def taught_by_reference(
    history: History, *, model: Model, version: Version, schema: Schema, layout: Layout, segment: str = ""
) -> dict[Baseline, Calibration]:
    """The calibrations that a reference's own windows give the segment at once; what needs stored windows is learned
    later."""
    checks = checks_in(checks_of(model), segment=segment)
    every = groups_of(checks_of(model), model=model, version=version, schema=schema, segments=(segment,))
    groups = every.get(segment, ())[1:]
    return {
        group.baseline: calibration_against(
            moved(history, baseline=group.baseline, spec=model.window), group=group, checks=checks, model=model,
            schema=schema, layout=layout,
        )
        for group in groups if history.windows and group.baseline.kind not in ("version", "windows")
    }  # fmt: skip


def calibration_against(
    held: History, *, group: Group, checks: tuple[Check, ...], model: Model, schema: Schema, layout: Layout
) -> Calibration:
    """The calibration of a group from a history held against its baseline; only the tests that it decides share it."""
    per_month = model.window.per_month
    return calibrate(
        held, windows_per_month=per_month, per_month=budget(model).per_month(per_month),
        among=tests_of(group, checks=checks, schema=schema, layout=layout),
    )  # fmt: skip
