"""A window with too few rows, judged together with the ones before it: their profiles add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, merge
from monitor.store.profiles import StoredProfile, list_profiles
from monitor.store.windows import WindowRow

LOOKBACK = 24  # windows, in time: what is older says little about now


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The profile that is judged, and how many windows' rows are in it."""

    profile: Profile
    windows: int


def earlier_profiles(conn: Connection, *, window: WindowRow, nominal_us: int, segment: str = "") -> list[StoredProfile]:
    """Stored profiles of the windows that this one may be merged with, newest first."""
    found = list_profiles(
        conn, version_id=window.version_id, from_us=window.start_us - LOOKBACK * nominal_us, to_us=window.start_us,
        segment=segment,
    )  # fmt: skip
    return found[::-1]


def merge_until(
    profile: Profile, earlier: Sequence[StoredProfile], *, layout: Layout, layout_id: int | None, min_rows: int
) -> Merged:
    """The profile with earlier ones added, newest first, until it has ``min_rows`` rows.

    A profile on another layout cannot be added and ends the search: cells would not mean the same.
    """
    windows = 1
    for stored in earlier:
        if profile.rows >= min_rows or stored.layout_id != layout_id:
            break
        profile = merge(profile, codec.decode(stored.payload, layout))
        windows += 1
    return Merged(profile=profile, windows=windows)
