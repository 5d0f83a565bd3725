"""Usual movement learned from production: windows held healthy become the history of a reference without times.

A reference whose rows have timestamps brings its own windows. Without, or with too few, the judged windows that
were in no alarm are the history, again and again as they accumulate.
"""

from __future__ import annotations

import math

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration, needed_windows
from monitor.alert.codec import encode_calibration
from monitor.alert.history import LEAST_ROWS, build_history
from monitor.evaluate.context import Contexts, VersionContext
from monitor.evaluate.guard import Guard
from monitor.evaluate.reference_profile import WindowProfiles, budget, calibration_of
from monitor.model.entities import Model
from monitor.model.time import HOUR_US
from monitor.store.calibrations import save_calibration
from monitor.store.engine import Store
from monitor.store.profiles import list_profiles
from monitor.store.results import healthy_starts

MOST_WINDOWS = 1_000
GROWTH = 1.25  # so much more history before it is gone through again
UNASKED = 50  # windows after which it is looked again in any case: a reference may be another one
_PAGE = 100


class Learner:
    """Makes and remakes calibrations from healthy windows."""

    def __init__(self, store: Store, *, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts
        self._left: dict[int, int] = {}  # version id → windows until it may be time

    def due(self, *, version_id: int, judged: int, now_us: int) -> int | None:
        """The occurrence of a calibration that is due, or None; ``judged`` windows came since the last question.

        The windows are counted only when enough of them may have come.
        """
        left = self._left.get(version_id, 0) - judged
        self._left[version_id] = left
        if left > 0:
            return None
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id)
            if context.reference is None or _has_own_history(context):
                self._left[version_id] = UNASKED
                return None
            healthy = healthy_windows(conn, version_id=version_id)
        before = context.calibration.windows if context.calibration is not None else 0
        wanted = _wanted(context)
        if healthy < wanted:
            self._left[version_id] = min(wanted - healthy, UNASKED)
            return None
        return now_us - now_us % HOUR_US + before

    def learn(self, *, version_id: int, now_us: int, guard: Guard | None = None) -> Calibration | None:
        """The calibration from the windows held healthy, saved; None without a reference or a window."""
        with self._store.read() as conn:
            context = self._contexts.load(conn, version_id=version_id)
            starts = _healthy(conn, version_id=version_id)
        if context.reference is None or context.layout is None or context.schema is None or not starts:
            return None
        windows = self._profiles(context, starts=starts)
        history = build_history(context.layout, reference=context.reference.profile, windows=windows, contained=False)
        calibration = calibration_of(history, model=context.model, schema=context.schema)
        with self._store.write() as conn:
            save_calibration(
                conn, version_id=version_id, reference_id=context.reference.reference.id, made_us=now_us,
                payload=encode_calibration(calibration),
            )  # fmt: skip
            if guard is not None:
                guard(conn)
        return calibration

    def _profiles(self, context: VersionContext, *, starts: list[int]) -> WindowProfiles:
        """The stored profiles of those windows that are in the current layout, read a page at a time."""
        assert context.layout is not None  # noqa: S101 - the caller has one
        wanted, found = set(starts), WindowProfiles(context.layout, spec=context.model.window)
        after = min(starts) - 1
        while True:
            with self._store.read() as conn:
                page = list_profiles(
                    conn, version_id=context.version.id, from_us=min(starts), to_us=max(starts) + 1, after=after,
                    limit=_PAGE,
                )  # fmt: skip
            for stored in page:
                if stored.window_start_us in wanted and stored.layout_id == context.version.layout_id:
                    found.put(stored.window_start_us, stored.payload)
            if len(page) < _PAGE:
                return found
            after = page[-1].window_start_us


def needed_by(model: Model, *, calibration: Calibration | None = None) -> int:
    """How many healthy windows the model's verdicts need: as the calibration found, else by count alone."""
    if calibration is not None:
        return calibration.needed
    per_month = model.window.per_month
    return needed_windows(windows_per_month=per_month, per_month=budget(model).per_month(per_month))


def healthy_windows(conn: Connection, *, version_id: int) -> int:
    """How many judged windows are held healthy, at most ``MOST_WINDOWS``."""
    return len(_healthy(conn, version_id=version_id))


def _healthy(conn: Connection, *, version_id: int) -> list[int]:
    return healthy_starts(conn, version_id=version_id, min_rows=LEAST_ROWS, limit=MOST_WINDOWS)


def _wanted(context: VersionContext) -> int:
    """How many healthy windows there are to be before they are gone through again."""
    calibration = context.calibration
    fewest = needed_by(context.model)
    if calibration is None:
        return fewest
    grown = math.ceil(GROWTH * calibration.windows)
    return max(fewest, min(grown, calibration.needed) if calibration.to_a_week else grown)


def _has_own_history(context: VersionContext) -> bool:
    """Whether the calibration came from the reference's own windows and there were enough of them."""
    if context.reference is None or context.calibration is None or context.calibration.state == "learning":
        return False
    return context.reference.timed
