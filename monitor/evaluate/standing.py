"""What stands of a window's last judgement when only labels have come: what it said of the data. No I/O.

A label changes nothing of a window's features. Judging them again would hold them against today's calibration, and
an alarm of months ago could come or go because a label did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.evaluate.against import Held
from monitor.evaluate.context import VersionContext
from monitor.evaluate.judging import Judged
from monitor.evaluate.judging_held import told_of
from monitor.model.baseline import Baseline
from monitor.model.checks import PERFORMANCE_KINDS
from monitor.model.results import ResultRow, Status
from monitor.store.results import StoredResult, unpack
from monitor.store.windows import JUDGED, WindowRow


def standing(
    context: VersionContext, *, window: WindowRow, last: StoredResult | None, held: Mapping[Baseline, Held]
) -> Judged | None:
    """The window as it was judged last, without performance and without verdicts: those have moved already.

    None where it is to be judged anew: rows came, the reference is another, the configuration was changed since, what
    it was ``held`` against is another by now, or there is no judgement to keep. Of a sealed window it stands anyway.
    """
    side = context.reference
    if window.is_sealed and last is not None:
        return _kept(last, data_status=unpack(last.payload)[0])
    if last is None or side is None or window.state not in JUDGED:
        return None
    unchanged = (window.revision, window.rows, side.reference.number)
    if (last.revision, last.rows, last.reference_number) != unchanged:
        return None
    if max(context.model.updated_us, context.version.updated_us) >= last.computed_us:
        return None
    data_status, rows = unpack(last.payload)
    if data_status is None or not _held_alike(context, rows=rows, held=held):
        return None
    return _kept(last, data_status=data_status)


def _kept(last: StoredResult, *, data_status: Status | None) -> Judged:
    return Judged(
        rows=tuple(row for row in unpack(last.payload)[1] if row.kind not in PERFORMANCE_KINDS),
        verdicts=(),
        status=data_status or "unknown",
        data_status=data_status,
        reference_number=last.reference_number,
        reference_rows=last.reference_rows,
    )


def _held_alike(context: VersionContext, *, rows: Iterable[ResultRow], held: Mapping[Baseline, Held]) -> bool:
    """Whether the rows say of every baseline the windows and rows that it has now."""
    now = {
        check.name: told_of(group, held=held[group.baseline])
        for group in context.groups[1:]
        for check in group.checks
    }  # fmt: skip
    return all(row.method | now.get(row.check, {}) == row.method for row in rows)
