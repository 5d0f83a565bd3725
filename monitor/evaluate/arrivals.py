"""Rows that arrive in one window: which are new, the profile and the id runs with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from monitor.columns.batch import ID
from monitor.columns.keyed_ids import first_rows, hash_ids
from monitor.evaluate.context import VersionContext
from monitor.evaluate.cutting import CutProfiles
from monitor.evaluate.id_runs import RunChange, change_runs, known
from monitor.evaluate.reprofile import reprofile, take_rows
from monitor.evaluate.slices import instants_of, received_of
from monitor.evaluate.window_card import arrived_outcomes
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge, profile_batch
from monitor.store.engine import Store
from monitor.store.ids import id_runs
from monitor.store.outcomes import Part
from monitor.store.profiles import StoredProfile, get_profile, segment_profiles
from monitor.store.run_cache import RunCache
from monitor.store.scorecards import StoredScorecard, get_scorecard
from monitor.store.windows import WindowRow, get_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a fold adds to one window: ``rows`` new ones; ``profile`` is the window's whole profile with them.

    ``profile`` is None while the version has no layout. ``segments`` are the whole profiles of the segments that got
    rows, or of all of them where all were made anew. ``late_rows`` of the new ones were received after the
    window had closed. ``outcomes`` are what the new rows are held against their labels with, ``card`` the window's
    whole scorecard with them (None: it is to be counted again).
    """

    start_us: int
    end_us: int
    rows: int
    deduplicated: int
    late_rows: int
    watermark_us: int
    first_received_us: int
    last_received_us: int
    runs: RunChange
    profile: bytes | None
    segments: tuple[StoredProfile, ...] = ()
    outcomes: Part | None = None
    card: StoredScorecard | None = None


def arrive(store: Store, *, context: VersionContext, runs: RunCache, start_us: int, rows: pa.RecordBatch) -> Arrival:
    """What the rows (of one window, in fold order) add to it: the first of each id that the window has not yet."""
    version_id, end_us = context.version.id, context.model.window.end_of(start_us)
    with store.read() as conn:
        window = get_window(conn, version_id=version_id, start_us=start_us)
        stored = get_profile(conn, version_id=version_id, window_start_us=start_us)
        present = id_runs(conn, version_id=version_id, window_start_us=start_us) if window is not None else []
        card = get_scorecard(conn, version_id=version_id, window_start_us=start_us) if context.performance else None
    distinct, first = first_rows(hash_ids(rows.column(ID), key=runs.key))
    repeated = known(distinct, present, read=runs.read)
    fresh = distinct[~repeated]
    kept = take_rows(rows, first[~repeated])
    profile, segments = _profiles(
        store, context=context, window=window, stored=stored, start_us=start_us, end_us=end_us, kept=kept
    )
    outcomes = arrived_outcomes(kept, context=context, window=window, kept_card=card, start_us=start_us, key=runs.key)
    received, closes_us = received_of(kept), end_us + context.model.lateness_us
    return Arrival(
        start_us=start_us,
        end_us=end_us,
        rows=kept.num_rows,
        deduplicated=rows.num_rows - kept.num_rows,
        late_rows=int((received > closes_us).sum()),
        watermark_us=int(instants_of(rows).max()),
        first_received_us=int(received_of(rows).min()),
        last_received_us=int(received_of(rows).max()),
        runs=change_runs(fresh, present, read=runs.read) if len(fresh) else RunChange(absorbed=(), added=()),
        profile=profile,
        segments=segments,
        outcomes=outcomes.part,
        card=outcomes.card,
    )


def _profiles(
    store: Store,
    *,
    context: VersionContext,
    window: WindowRow | None,
    stored: tuple[int, bytes] | None,
    end_us: int,
    start_us: int,
    kept: pa.RecordBatch,
) -> tuple[bytes | None, tuple[StoredProfile, ...]]:
    """The window's encoded profile with the kept rows, and those of its segments; None without a layout, or when
    nothing is new."""
    layout, schema, version = context.layout, context.schema, context.version
    if layout is None or schema is None or not kept.num_rows:
        return None, ()
    added, parts = profile_batch(layout, kept), CutProfiles(context.segments, schema=schema, layout=layout)
    parts.add(kept)
    with_these = partial(_segments, parts, context=context, start_us=start_us)
    if window is None or window.rows == 0:
        return codec.encode(added), with_these({})
    before = None
    if stored is not None and stored[0] == version.layout_id:
        before = _stored_segments(store, context=context, layout=layout, window=window, segments=parts.counted)
    if stored is not None and before is not None:
        return codec.encode(merge(codec.decode(stored[1], layout), added)), with_these(before)
    # folded before this layout was there, or cut into other segments
    made = reprofile(
        store, version_id=version.id, schema=schema, layout=layout, start_us=start_us, end_us=end_us,
        segments=context.segments,
    )  # fmt: skip
    return codec.encode(merge(made.profile, added)), with_these(made.segments)


def _segments(
    added: CutProfiles, before: Mapping[str, Profile], *, context: VersionContext, start_us: int
) -> tuple[StoredProfile, ...]:
    """The profiles of the rows before and of those added, as they are stored: a fold of history holds thousands."""
    found: list[StoredProfile] = []
    for name in dict.fromkeys((*before, *added.counted)):
        whole = merge(before[name], added[name]) if name in before else added[name]
        found.append(
            StoredProfile(
                version_id=context.version.id, window_start_us=start_us, segment=name,
                layout_id=context.version.layout_id or 0, payload=codec.encode(whole), rows=whole.rows,
            )
        )  # fmt: skip
    return tuple(found)


def _stored_segments(
    store: Store, *, context: VersionContext, layout: Layout, window: WindowRow, segments: Sequence[str]
) -> dict[str, Profile] | None:
    """What is stored of those segments of the window; None where it was cut into others, or counted in other cells."""
    if not context.segments:
        return {}
    if window.segmentation != context.segmentation:
        return None
    with store.read() as conn:
        found = segment_profiles(
            conn, version_id=window.version_id, window_start_us=window.start_us, segments=segments
        )  # fmt: skip
    if any(layout_id != context.version.layout_id for layout_id, _ in found.values()):
        return None
    return {name: codec.decode(payload, layout) for name, (_, payload) in found.items()}
