"""Old profiles become those of days, then of weeks: added up segment by segment, and nothing is lost of their counts.

Read and added up outside the transaction, which takes the version's row, removes exactly what was read and puts the
sum in its place, or rolls back. Only windows that are sealed are merged: no row comes to them any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from monitor.alert.recent import LONGEST
from monitor.evaluate.context import checks_of
from monitor.evaluate.groups import baselines_of
from monitor.model.calendar import places
from monitor.model.entities import Model, Version
from monitor.model.profile_ages import ProfileAges, Stage, stages
from monitor.model.window import WindowSpec
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge
from monitor.store.dialect import wait_briefly
from monitor.store.engine import Store
from monitor.store.holds import refuse_held
from monitor.store.layouts import get_layout
from monitor.store.merged_profiles import (
    Mergeable,
    MergedProfile,
    mergeable_spans,
    mergeable_windows,
    merged_profiles,
    nth_newest_start,
    profiles_of_windows,
    replace_merged,
    take_windows,
)
from monitor.store.versions import lock_version

KEPT_WINDOWS = LONGEST  # the newest: what thresholds are learned of, and the longest scale adds up
STEP_BYTES = 8 * 2**20
STEP_WINDOWS = 50
_PAGE = 500

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A profile that becomes part of a longer span's: of ``windows`` windows of one segment, counted in one layout."""

    segment: str
    layout_id: int
    windows: int
    last_received_us: int
    payload: bytes


def merge_version(
    store: Store, *, model: Model, version: Version, ages: ProfileAges, now_us: int
) -> Iterator[int]:  # fmt: skip
    """How many windows or merged spans each step took, a step a transaction, until nothing of the version is left.

    ``FenceLost`` where somebody changed meanwhile what was read, ``Held`` under a legal hold.
    """
    if model.legal_hold is not None:
        return
    adder = Adder(store)
    for stage in stages(ages, spec=model.window):
        if stage.merged:
            yield from _merge_spans(store, adder, model=model, version=version, stage=stage, now_us=now_us)
        else:
            yield from _merge_windows(store, adder, model=model, version=version, stage=stage, now_us=now_us)


def _merge_windows(
    store: Store, adder: Adder, *, model: Model, version: Version, stage: Stage, now_us: int
) -> Iterator[int]:
    until_us, after_us = now_us - stage.age_us, -(2**62)
    with store.read() as conn:
        newest_us = nth_newest_start(conn, version_id=version.id, nth=KEPT_WINDOWS)
    if newest_us is None:
        return
    asked = Asked.of(model, version=version, until_us=until_us)
    ended_us = min(until_us, newest_us, asked.from_us)
    while True:
        with store.read() as conn:
            page = mergeable_windows(
                conn, version_id=version.id, ended_us=ended_us, received_us=until_us, after_us=after_us, limit=_PAGE
            )
        mergeable = [one for one in page if not asked.fixed(one.start_us)]
        for span, some in _grouped(mergeable, spans=stage.spans, ended_us=ended_us):
            adder.windows_into(span, some, model=model, version_id=version.id)
            yield len(some)
        if len(page) < _PAGE:
            return
        after_us = page[-1].start_us


def _merge_spans(
    store: Store, adder: Adder, *, model: Model, version: Version, stage: Stage, now_us: int
) -> Iterator[int]:
    until_us = now_us - stage.age_us
    with store.read() as conn:
        days = mergeable_spans(
            conn, version_id=version.id, ended_us=until_us, received_us=until_us,
            shorter_than_us=stage.spans.nominal_us,
        )  # fmt: skip
    once = {(day.start_us, day.end_us): day for day in days}  # a day may have profiles in several layouts
    for span, some in _grouped(once.values(), spans=stage.spans, ended_us=until_us):
        adder.spans_into(span, some, model=model, version_id=version.id)
        yield len(some)


def _grouped(
    found: Iterable[Mergeable], *, spans: WindowSpec, ended_us: int
) -> Iterator[tuple[Span, list[Mergeable]]]:  # fmt: skip
    """Those of one longer span and one layout together, a bounded number and size; none of a span that ends later."""
    for (start_us, _), alike in groupby(found, key=lambda one: (spans.start_of(one.start_us), one.layout_id)):
        span = (start_us, spans.end_of(start_us))
        if span[1] > ended_us:
            continue
        some: list[Mergeable] = []
        for one in alike:
            if some and (len(some) == STEP_WINDOWS or sum(o.bytes for o in some) + one.bytes > STEP_BYTES):
                yield span, some
                some = []
            some.append(one)
        yield span, some


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Windows that a configured baseline may ask for: those from ``from_us`` on, and of fixed ranges."""

    from_us: int
    ranges: tuple[Span, ...]

    @staticmethod
    def of(model: Model, *, version: Version, until_us: int) -> Asked:
        """Those that a window of ``until_us`` or later may be held against."""
        baselines = baselines_of(checks_of(model), model=model, version=version)
        start_us = model.window.start_of(until_us)
        moving = [place for one in baselines for place in places(one, start_us=start_us, spec=model.window)]
        return Asked(
            from_us=min([start_us, *moving]),
            ranges=tuple((one.from_us, one.to_us) for one in baselines if one.kind == "windows"),
        )

    def fixed(self, start_us: int) -> bool:
        """Whether the window is in a fixed range."""
        return any(from_us <= start_us < to_us for from_us, to_us in self.ranges)


class Adder:
    """Adds profiles up and puts the sums in their place; keeps the layout it used last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._layout: tuple[int, Layout] | None = None

    def windows_into(self, span: Span, windows: Sequence[Mergeable], *, model: Model, version_id: int) -> None:
        """The windows' profiles become part of the span's, in all segments."""
        received_us = {one.start_us: one.last_received_us for one in windows}
        with self._store.read() as conn:
            taken = profiles_of_windows(conn, version_id=version_id, starts_us=list(received_us))
            before = merged_profiles(conn, version_id=version_id, spans=[span])
        parts = [
            Part(
                segment=one.segment, layout_id=one.layout_id, windows=1, payload=one.payload,
                last_received_us=received_us[one.window_start_us],
            )
            for one in taken
        ]  # fmt: skip
        after = self._sums(span, [*map(_part, before), *parts], version_id=version_id)
        with self._store.write() as conn:
            wait_briefly(conn)
            lock_version(conn, id=version_id)
            refuse_held(conn, model_id=model.id)
            take_windows(conn, version_id=version_id, layout_id=windows[0].layout_id, taken=taken)
            replace_merged(conn, version_id=version_id, before=before, after=after)

    def spans_into(self, span: Span, shorter: Sequence[Mergeable], *, model: Model, version_id: int) -> None:
        """The shorter spans' profiles become part of the span's, in all segments and layouts."""
        spans = [(one.start_us, one.end_us) for one in shorter]
        with self._store.read() as conn:
            before = merged_profiles(conn, version_id=version_id, spans=[span, *spans])
        after = self._sums(span, [_part(one) for one in before], version_id=version_id)
        with self._store.write() as conn:
            wait_briefly(conn)
            lock_version(conn, id=version_id)
            refuse_held(conn, model_id=model.id)
            replace_merged(conn, version_id=version_id, before=before, after=after)

    def _sums(self, span: Span, parts: Iterable[Part], *, version_id: int) -> list[MergedProfile]:
        """One profile for each segment and layout there is among the parts."""
        ordered = sorted(parts, key=lambda part: (part.segment, part.layout_id))  # stable: the oldest stays first
        return [
            self._sum(span, list(alike), version_id=version_id)
            for _, alike in groupby(ordered, key=lambda part: (part.segment, part.layout_id))
        ]

    def _sum(self, span: Span, alike: Sequence[Part], *, version_id: int) -> MergedProfile:
        layout_id, total = alike[0].layout_id, None
        layout = self._layout_of(layout_id)
        for part in alike:
            profile: Profile = codec.decode(part.payload, layout)
            total = profile if total is None else merge(total, profile)
        assert total is not None  # noqa: S101 - a group has a member
        return MergedProfile(
            version_id=version_id, segment=alike[0].segment, start_us=span[0], end_us=span[1], layout_id=layout_id,
            windows=sum(part.windows for part in alike), rows=total.rows,
            last_received_us=max(part.last_received_us for part in alike), payload=codec.encode(total),
        )  # fmt: skip

    def _layout_of(self, id: int) -> Layout:
        if self._layout is None or self._layout[0] != id:
            with self._store.read() as conn:
                self._layout = id, Layout.decode(get_layout(conn, id=id))
        return self._layout[1]


def _part(one: MergedProfile) -> Part:
    return Part(
        segment=one.segment, layout_id=one.layout_id, windows=one.windows, last_received_us=one.last_received_us,
        payload=one.payload,
    )  # fmt: skip
