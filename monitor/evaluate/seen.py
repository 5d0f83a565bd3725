"""A window as one snapshot saw it, in all traffic and in every segment that is judged, with what it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from monitor.evaluate.against import Chosen, Held, choose
from monitor.evaluate.context import VersionContext
from monitor.evaluate.judging_performance import has_labels
from monitor.evaluate.merged import earlier_profiles
from monitor.evaluate.recent_counts import counts_before, judged_before
from monitor.model.baseline import Baseline
from monitor.store.erased import erased_of_windows
from monitor.store.judged_counts import is_stale
from monitor.store.profiles import StoredProfile
from monitor.store.results import StoredResult
from monitor.store.transitions import has_transitions
from monitor.store.window_segments import profiles_of_window, results_of_window
from monitor.store.windows import WindowRow

ByBaseline = Mapping[Baseline, Chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A window as one snapshot saw it, with what it is judged by and how it was judged last.

    Of a segment ``window`` has the segment's rows, as far as they are known. ``slices`` are the segments judged;
    ``told`` is whether it brought an alert before, which has words; ``erased`` rows it counts are not stored any more.
    """

    context: VersionContext
    window: WindowRow
    stored: StoredProfile | None
    earlier: list[StoredProfile]
    before: list[tuple[int, bytes]] = field(default_factory=list)
    judged_before: int | None = None
    stale: bool = False
    told: bool = False
    labelled: bool = False
    last: StoredResult | None = None
    held: Mapping[Baseline, Held] = field(default_factory=dict)
    slices: tuple[Seen, ...] = ()
    erased: int = 0

    @property
    def each(self) -> tuple[Seen, ...]:
        """The window in all traffic, then in every segment that is judged."""
        return (self, *self.slices)

    @property
    def is_cut(self) -> bool:
        """Whether the profiles of the window's segments are those of the segments there are now."""
        return self.window.segmentation == self.context.segmentation


def see(
    conn: Connection, *, context: VersionContext, window: WindowRow, least_rows: int = 0, sliced: bool = True
) -> tuple[Seen, dict[str, ByBaseline]]:
    """The window in its context, and by segment the windows that its baselines choose for it.

    What a window of fewer rows than ``least_rows``, or than its checks ask for, may be merged with is read too.
    """
    id, start_us = window.version_id, window.start_us
    again = window.revision > 0 and context.performance is not None
    contexts = (context, *(context.slices if sliced else ()))
    profiles = profiles_of_window(
        conn, version_id=id, start_us=start_us, segments=[one.segment for one in contexts]
    )  # fmt: skip
    last = results_of_window(conn, version_id=id, start_us=start_us) if again else {}
    seen = [
        _seen(conn, context=one, window=window, profiles=profiles, last=last, least_rows=least_rows) for one in contexts
    ]
    whole = replace(
        seen[0], slices=tuple(seen[1:]), labelled=bool(context.performance) and has_labels(conn, context=context),
        judged_before=judged_before(conn, contexts=[one.context for one in seen], window=window),
        erased=erased_of_windows(conn, version_id=id, starts_us=[start_us]).get(start_us, 0),
        told=window.revision > 0 and has_transitions(conn, version_id=id, window_start_us=start_us),
    )  # fmt: skip
    return whole, {one.context.segment: chosen_of(conn, context=one.context, start_us=start_us) for one in seen}


def _seen(
    conn: Connection, *, context: VersionContext, window: WindowRow, profiles: Mapping[str, StoredProfile],
    last: Mapping[str, StoredResult], least_rows: int,
) -> Seen:  # fmt: skip
    segment, stored = context.segment, profiles.get(context.segment)
    own = window
    if segment:  # of a segment without a profile there was no row, or nothing is known yet
        own = replace(window, rows=0 if stored is None else stored.rows or 0)
    few = own.rows < max(context.min_rows, least_rows)
    nominal_us = context.model.window.nominal_us
    return Seen(
        context=context,
        window=own,
        stored=stored,
        earlier=earlier_profiles(conn, window=window, nominal_us=nominal_us, segment=segment) if few else [],
        before=counts_before(conn, context=context, window=window),
        stale=segment in last
        and is_stale(conn, version_id=window.version_id, start_us=window.start_us, segment=segment),
        last=last.get(segment),
    )


def chosen_of(conn: Connection, *, context: VersionContext, start_us: int) -> dict[Baseline, Chosen]:
    """What the baselines of the context's groups choose for the window that starts then."""
    return {g.baseline: choose(conn, g.baseline, context=context, start_us=start_us) for g in context.groups[1:]}
