"""``monitor.check``: two sides in, a report out. ``profile``: one side in, a profile file out."""

from __future__ import annotations

import time
import warnings as python_warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from monitor.columns.roles import Roles
from monitor.compare import current as current_side
from monitor.compare import reference as reference_side
from monitor.compare.current import CurrentSide
from monitor.compare.flow import threads
from monitor.compare.judging import judge_sides
from monitor.compare.reference import ReferenceSide
from monitor.compare.report import JudgedWindow, Report
from monitor.compare.tables import open_side, table_names
from monitor.model.baseline import REFERENCE
from monitor.model.checks import Check, default_checks, parse_checks
from monitor.model.errors import InvalidInput
from monitor.model.segments import EVERYWHERE, check_known
from monitor.model.thresholds import parse_false_alarms
from monitor.model.time import rfc3339
from monitor.model.window import WindowSpec
from monitor.profile.dlp import ProfileFile

DEFAULT_FALSE_ALARMS = "1 per 100 runs"
DEFAULT_MIN_ROWS = 50
_NO_ROWS = "give the table itself"


def check(
    *,
    reference: Any,
    current: Any,
    prediction: str | None = None,
    score: str | Mapping[str, str] | None = None,
    label: str | None = None,
    positive: str | None = None,
    id: str | None = None,
    timestamp: str | None = None,
    window: str | None = None,
    segments: Sequence[str | Mapping[str, Any]] = (),
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
    checks: Sequence[Mapping[str, Any]] | None = None,
    false_alarms: str = DEFAULT_FALSE_ALARMS,
    min_rows: int = DEFAULT_MIN_ROWS,
) -> Report:
    """The report of ``current`` held against ``reference``.

    Each side is a pandas or polars frame, a pyarrow table, anything with ``__arrow_c_stream__``, a path (Parquet, CSV,
    NDJSON, Arrow) or a ``.dlp`` profile. Roles name columns; ``score`` is a column or {class: column}. With
    ``timestamp`` and ``window`` ("1h", "1d") every window of current is judged, by thresholds from the reference's own
    windows where it has times. ``checks`` are shapes as in the configuration (None: the usual ones, []: none),
    ``false_alarms`` the budget, ``min_rows`` the rows below which a check without its own says unknown. ``segments``
    are columns by whose values the rows are cut, or shapes as in the configuration: drift and quality checks that do
    not say otherwise are then judged in each slice too, on the same budget.

    Raises ``InvalidInput`` (or another ``DriftlineError``) for what cannot be compared. Warns when current ends
    before reference begins.
    """
    by, shapes = _columns_and_shapes(segments)
    roles = roles_of(prediction=prediction, score=score, label=label, positive=positive, id=id, timestamp=timestamp,
                     categorical=categorical, ignore=ignore, segment=by)  # fmt: skip
    report = compare_sides(
        reference, current, roles=roles, window=window, segments=shapes, everywhere=bool(segments), checks=checks,
        false_alarms=false_alarms, min_rows=min_rows,
    )  # fmt: skip
    if report.swapped:
        python_warnings.warn(report.notes[0], UserWarning, stacklevel=2)
    return report


def compare_sides(
    reference: Any,
    current: Any,
    *,
    roles: Roles,
    window: str | None = None,
    segments: Sequence[Mapping[str, Any]] = (),
    everywhere: bool = False,
    checks: Sequence[Mapping[str, Any]] | None = None,
    false_alarms: str = DEFAULT_FALSE_ALARMS,
    min_rows: int = DEFAULT_MIN_ROWS,
) -> Report:
    """``check`` with its roles in one value; ``report.notes`` has in words what it would warn of.

    ``segments`` are shapes, beside the columns that the roles name. With ``everywhere`` the drift and quality checks
    that do not say where they are judged are judged in every segment.
    """
    budget = parse_false_alarms(false_alarms)
    enabled = checks_of(checks, min_rows=min_rows, everywhere=everywhere)
    spec = None if window is None else WindowSpec(length=window)
    with ThreadPoolExecutor(threads(), thread_name_prefix="driftline-check") as pool:
        held = read_reference(reference, roles=roles, spec=spec, pool=pool, segments=segments)
        for one in enabled:
            check_known(one.segments, specs=held.specs, place=f"check {one.name!r}.segments")
        side = read_current(current, reference=held, spec=spec, pool=pool)
    judged = judge_sides(held, side, checks=enabled, asked=checks is not None, false_alarms=budget, spec=spec)
    return Report(
        windows=tuple(
            JudgedWindow(start_us=j.start_us, end_us=j.end_us, rows=j.judgement.rows, verdicts=j.judgement.verdicts)
            for j in judged
        ),
        segments=tuple(segment.name for segment in held.segments),
        rows=side.profile.rows,
        reference_rows=held.profile.rows,
        computed_us=time.time_ns() // 1_000,
        notes=tuple(_notes(held, side)),
        swapped=_swapped(held, side),
    )


def profile(given: Any, *, roles: Roles, window: str | None = None, like: Any = None) -> ProfileFile:
    """The profile file of a table: counts only, no rows; ``like`` is a profile whose cells it shall have."""
    spec = None if window is None else WindowSpec(length=window)
    with ThreadPoolExecutor(threads(), thread_name_prefix="driftline-profile") as pool:
        table = open_side(given, side="the table")
        if isinstance(table, ProfileFile):
            raise InvalidInput("this is a profile already: expected a table")
        if roles.segment:
            raise InvalidInput(f"a profile has no rows to cut into segments: {_NO_ROWS}")
        roles.check_known(table_names(table))
        held = read_reference(table if like is None else like, roles=roles, spec=spec, pool=pool)
        side: ReferenceSide | CurrentSide = held
        if like is not None:
            side = read_current(table, reference=held, spec=spec, pool=pool)
    return ProfileFile(
        schema=held.schema, layout=held.layout, profile=side.profile, roles=held.roles.to_json(),
        window=None if spec is None or side.windows is None else spec.length, windows=tuple(side.windows or ()),
    )  # fmt: skip


def read_reference(
    given: Any, *, roles: Roles, spec: WindowSpec | None, pool: ThreadPoolExecutor,
    segments: Sequence[Mapping[str, Any]] = (),
) -> ReferenceSide:  # fmt: skip
    """The reference side of whatever was given for it."""
    opened = open_side(given, side="reference")
    if isinstance(opened, ProfileFile):
        if roles.segment or segments:
            raise InvalidInput(f"the reference is a profile, which has no rows to cut into segments: {_NO_ROWS}")
        return reference_side.from_file(opened, roles=roles, spec=spec)
    return reference_side.read_reference(opened, roles=roles, spec=spec, pool=pool, segments=segments)


def read_current(
    given: Any, *, reference: ReferenceSide, spec: WindowSpec | None, pool: ThreadPoolExecutor
) -> CurrentSide:
    """The current side of whatever was given for it."""
    opened = open_side(given, side="current")
    if isinstance(opened, ProfileFile):
        if reference.segments:
            raise InvalidInput(f"the current side is a profile, which has no rows to cut into segments: {_NO_ROWS}")
        return current_side.from_file(opened, reference=reference, spec=spec)
    return current_side.read_current(opened, reference=reference, spec=spec, pool=pool)


def checks_of(
    shapes: Sequence[Mapping[str, Any]] | None, *, min_rows: int, everywhere: bool = False
) -> tuple[Check, ...]:
    """The parsed checks; ``min_rows`` goes to those that name none of their own.

    So does ``everywhere``, all traffic and every segment, to checks of values that do not say where they are judged.
    """
    if isinstance(min_rows, bool) or not isinstance(min_rows, int) or min_rows < 1:
        raise InvalidInput(f"min_rows {min_rows!r}: expected a whole number from 1")
    parsed = default_checks() if shapes is None else parse_checks(_plain(shapes))
    for check in parsed:
        if check.baseline not in (None, REFERENCE):
            raise InvalidInput(
                f"check {check.name!r}.baseline: {check.baseline.kind!r} is made of windows that a server has stored; "
                "here one set of rows is held against another: leave the baseline out"
            )
    parsed = tuple(c if "min_rows" in c.shape else replace(c, min_rows=min_rows) for c in parsed)
    if not everywhere:
        return parsed
    return tuple(
        replace(c, segments=(EVERYWHERE,)) if c.kind in ("drift", "quality") and "segments" not in c.shape else c
        for c in parsed
    )


def roles_of(
    *,
    prediction: str | None = None,
    score: str | Mapping[str, str] | None = None,
    label: str | None = None,
    positive: str | None = None,
    id: str | None = None,
    timestamp: str | None = None,
    categorical: Iterable[str] = (),
    ignore: Iterable[str] = (),
    segment: Iterable[str] = (),
) -> Roles:
    """The roles that the arguments of ``check`` name."""
    scores = {} if score is None else {"": score} if isinstance(score, str) else dict(score)
    return Roles(
        prediction=prediction, score=scores, label=label, positive=positive, id=id, timestamp=timestamp,
        categorical=_names(categorical, name="categorical"), ignore=_names(ignore, name="ignore"),
        segment=_names(segment, name="segments"),
    )  # fmt: skip


def _names(given: Iterable[str], *, name: str) -> tuple[str, ...]:
    if isinstance(given, str):
        raise InvalidInput(f"{name}={given!r} is a text: expected a list of column names, such as [{given!r}]")
    return tuple(given)


def _plain(shapes: Any) -> Any:
    return [dict(s) if isinstance(s, Mapping) else s for s in shapes] if isinstance(shapes, list | tuple) else shapes


def _columns_and_shapes(segments: Any) -> tuple[tuple[str, ...], list[Any]]:
    """The columns among what was given for segments, and the shapes."""
    if isinstance(segments, Mapping):
        raise InvalidInput(f"segments={segments!r} is one segment: expected a list of them")
    given = _names(segments, name="segments")
    columns = tuple(one for one in given if isinstance(one, str))
    return columns, _plain([one for one in given if not isinstance(one, str)])


def _swapped(reference: ReferenceSide, current: CurrentSide) -> bool:
    """Whether current ends before reference begins."""
    then, now = reference.found.first_us, current.found.last_us
    return then is not None and now is not None and now < then


def _notes(reference: ReferenceSide, current: CurrentSide) -> Iterator[str]:
    """What a reader must know before trusting the numbers; first whether the sides look swapped."""
    then, now = reference.found, current.found
    if _swapped(reference, current):
        yield (
            f"current ends ({rfc3339(now.last_us or 0)}) before reference begins ({rfc3339(then.first_us or 0)}): "
            "are the two sides swapped?"
        )
    if reference.windows is None:
        yield "natural variation is unknown: the reference was not cut into windows (timestamp and window)"
    if reference.problem is not None:
        yield f"performance is not judged: {reference.problem}"
    yield from reference.left_out
    for side, found in (("reference", then), ("current", now)):
        if found.unusable:
            yield f"{found.unusable:,} rows of {side} were left out: their id or timestamp cannot be used"
    if now.repeated:
        yield f"{now.repeated:,} rows of current were left out: their id was there before"
    if now.unknown:
        names = ", ".join(sorted(now.unknown)[:20])
        yield f"current has columns that reference does not have; they are not compared: {names}"
