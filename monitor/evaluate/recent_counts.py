"""The judged counts of a window and of those before it: what the longer scales are looked at with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.recent import LONGEST, alarms_alone, decode_counts, encode_counts, recent_sums
from monitor.evaluate.context import VersionContext
from monitor.model.results import ResultRow
from monitor.profile.profile import Profile
from monitor.store.judged_counts import drop_judged_counts, judged_counts, put_judged_counts
from monitor.store.windows import WindowRow


def counts_before(conn: Connection, *, context: VersionContext, window: WindowRow) -> list[tuple[int, bytes]]:
    """(start, payload) of the windows that a scale of the version's calibration may reach back to."""
    version, calibration = context.version, context.calibration
    if calibration is None or len(calibration.scales) < 2 or version.layout_id is None or version.reference_id is None:
        return []
    # A window more than asked for: days that the clock changes are an hour shorter or longer.
    reach_us = (LONGEST + 1) * context.model.window.nominal_us
    return judged_counts(
        conn, version_id=version.id, layout_id=version.layout_id, reference_id=version.reference_id,
        from_us=window.start_us - reach_us, to_us=window.start_us,
    )  # fmt: skip


def counts_of(context: VersionContext, profile: Profile | None) -> Counts | None:
    """The window's own judged counts; None where nothing is judged by a calibration."""
    if profile is None or context.calibration is None:
        return None
    return reduce_profile(context.calibration.layout_cells, profile=profile)


def sums_at(
    context: VersionContext, *, window: WindowRow, own: Counts | None, before: Sequence[tuple[int, bytes]]
) -> dict[int, Counts]:
    """The sums of the windows up to the last look of each scale."""
    if own is None or context.calibration is None:
        return {}
    spec = context.model.window
    known = [(spec.ordinal(start_us), decode_counts(payload)) for start_us, payload in before]
    scales = [scale.windows for scale in context.calibration.scales]
    return recent_sums(own, known, ordinal=spec.ordinal(window.start_us), scales=scales)


def keep_counts(
    conn: Connection, *, context: VersionContext, window: WindowRow, own: Counts, rows: Iterable[ResultRow]
) -> None:
    """Writes the window's counts for those that come after it, unless its ``rows`` say that it alarms alone."""
    version = context.version
    if version.layout_id is None or version.reference_id is None:
        return
    if alarms_alone(rows):
        drop_judged_counts(conn, version_id=version.id, window_start_us=window.start_us)
        return
    put_judged_counts(
        conn, version_id=version.id, window_start_us=window.start_us, layout_id=version.layout_id,
        reference_id=version.reference_id, payload=encode_counts(own),
    )  # fmt: skip
