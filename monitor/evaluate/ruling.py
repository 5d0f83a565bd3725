"""What a window is found to be in all traffic and in each of its segments. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.alert.cells import Counts
from monitor.evaluate.judging import Judged, judge_window
from monitor.evaluate.judging_performance import judge_performance, with_performance
from monitor.evaluate.recent_counts import counts_of, sums_at
from monitor.evaluate.seen import Seen
from monitor.evaluate.window_card import WindowCard
from monitor.model.results import CheckVerdict
from monitor.profile.profile import Profile
from monitor.store.results import StoredResult, pack_rows
from monitor.store.windows import WindowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """One segment of a window, judged; ``own`` are the counts it was judged by, ``stood`` whether its last judgement
    was kept."""

    seen: Seen
    judged: Judged
    own: Counts | None = None
    stood: bool = False

    @property
    def segment(self) -> str:
        """Its name; empty for all traffic."""
        return self.seen.context.segment

    def result(self, *, revision: int, now_us: int) -> StoredResult:
        """The result as it is stored."""
        return result_of(self.seen.window, judged=self.judged, revision=revision, now_us=now_us, segment=self.segment)


def rule(
    seen: Seen, *, profile: Profile | None, card: WindowCard | None, now_us: int, stands: Judged | None = None
) -> Ruling:
    """One segment judged by its profile, unless its last judgement ``stands``; by its scorecard where it has one."""
    if seen.context.segment and profile is not None and profile.rows != seen.window.rows:
        seen = replace(seen, window=replace(seen.window, rows=profile.rows))  # not known before it was cut
    own = None if stands is not None else counts_of(seen.context, profile)
    judged = judged_of(seen, profile=profile, own=own, card=card, stands=stands, now_us=now_us)
    return Ruling(seen=seen, judged=judged, own=own, stood=stands is not None)


def judged_of(
    seen: Seen,
    *,
    profile: Profile | None,
    own: Counts | None,
    card: WindowCard | None,
    now_us: int,
    stands: Judged | None = None,
) -> Judged:
    """The window judged by its profile and the ``own`` counts of it, unless its last judgement ``stands``; by its
    scorecard where there is one."""
    judged = stands or judge_window(
        seen.context, window=seen.window, profile=profile, earlier=seen.earlier,
        sums=sums_at(seen.context, window=seen.window, own=own, before=seen.before), held=seen.held,
    )  # fmt: skip
    if card is None:
        return judged
    return with_performance(
        judged,
        judge_performance(seen.context, window=seen.window, card=card.card, now_us=now_us, labelled=seen.labelled),
    )


def verdicts_of(rulings: tuple[Ruling, ...]) -> list[CheckVerdict]:
    """The verdicts of all segments."""
    return [verdict for ruling in rulings for verdict in ruling.judged.verdicts]


def result_of(
    window: WindowRow, *, judged: Judged, revision: int, now_us: int, segment: str = ""
) -> StoredResult:  # fmt: skip
    """The result as it is stored."""
    return StoredResult(
        version_id=window.version_id, window_start_us=window.start_us, window_end_us=window.end_us, segment=segment,
        revision=revision, reference_number=judged.reference_number, status=judged.status, rows=window.rows,
        reference_rows=judged.reference_rows, computed_us=now_us,
        payload=pack_rows(judged.rows, data_status=judged.data_status),
    )  # fmt: skip
