"""The judged counts of a window and of those before it: what the longer scales are looked at with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from monitor.alert.cells import Counts, reduce_profile
from monitor.alert.recent import LONGEST, encode_counts, recent_sums
from monitor.evaluate.context import VersionContext
from monitor.profile.profile import Profile
from monitor.store.judged_counts import JudgedCounts, judged_counts, mark_stale, put_judged_counts, revisions_between
from monitor.store.windows import WindowRow


def counts_before(conn: Connection, *, context: VersionContext, window: WindowRow) -> list[tuple[int, bytes]]:
    """(start, payload) of the windows that a scale of the version's calibration may reach back to."""
    version, calibration = context.version, context.calibration
    if calibration is None or len(calibration.scales) < 2 or version.layout_id is None or version.reference_id is None:
        return []
    return judged_counts(
        conn, version_id=version.id, layout_id=version.layout_id, reference_id=version.reference_id,
        segment=context.segment, from_us=window.start_us - _reach_us(context), to_us=window.start_us,
    )  # fmt: skip


def judged_before(conn: Connection, *, contexts: Sequence[VersionContext], window: WindowRow) -> int | None:
    """How often the windows of ``counts_before`` were judged: another number by the time of writing means others."""
    calibrations = [context.calibration for context in contexts]
    if not any(calibration is not None and len(calibration.scales) > 1 for calibration in calibrations):
        return None
    return revisions_between(
        conn, version_id=window.version_id, from_us=window.start_us - _reach_us(contexts[0]), to_us=window.start_us
    )


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
    known = [(spec.ordinal(start_us), payload) for start_us, payload in before if payload]
    scales = [scale.windows for scale in context.calibration.scales]
    return recent_sums(own, known, ordinal=spec.ordinal(window.start_us), scales=scales)


def keep_counts(conn: Connection, *, context: VersionContext, window: WindowRow, own: Counts, alone: bool) -> None:
    """Writes the window's counts for those that come after it; later ones judged already are judged again if they
    are others than before.

    A window in alert by what is in it ``alone`` is left out of later sums: it has been told of, and a broken hour
    would else sound for a week.
    """
    version = context.version
    if version.layout_id is None or version.reference_id is None:
        return
    counts = JudgedCounts(
        version_id=version.id, window_start_us=window.start_us, layout_id=version.layout_id,
        reference_id=version.reference_id, segment=context.segment, payload=b"" if alone else encode_counts(own),
    )  # fmt: skip
    if put_judged_counts(conn, counts) and context.calibration is not None and len(context.calibration.scales) > 1:
        mark_stale(conn, counts, to_us=window.start_us + _reach_us(context))


def _reach_us(context: VersionContext) -> int:
    """How far back a look may reach, and a window more: days that the clock changes are an hour shorter or longer."""
    return (LONGEST + 1) * context.model.window.nominal_us
