"""What a version is judged with: decoded once, kept by id, bounded.

Layouts, schemas and reference profiles never change once they have an id, so that a decoded one can be kept as
long as there is room; a calibration is kept by when it was made, a reference's profile by its layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from sqlalchemy import Connection

from monitor.alert.calibrate import Calibration
from monitor.alert.codec import decode_calibration
from monitor.drift.bins import Bins, decile_groups
from monitor.evaluate.groups import Group, all_in_one, groups_of
from monitor.evaluate.kept import Kept
from monitor.evaluate.performance_side import PerformanceSide, decode_side
from monitor.model.baseline import Baseline
from monitor.model.checks import Check, default_checks, parse_checks
from monitor.model.checks import checks_of as checks_in
from monitor.model.entities import Model, Reference, Version
from monitor.model.schema import Column, Schema
from monitor.model.segments import Segment, wants_segments
from monitor.profile import codec
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile
from monitor.store.baselines import baseline_calibrations_made_us, get_baseline_calibration
from monitor.store.calibrations import calibration_made_us, get_calibration
from monitor.store.layouts import get_layout_with_digest
from monitor.store.models import get_version_by_id
from monitor.store.reference_segments import cut_of, reference_segment, reference_segments
from monitor.store.references import get_reference_by_id, reference_profile
from monitor.store.schemas import get_schema
from monitor.store.scorecards import get_performance, performance_made_us

KEPT_BYTES = 256 * 2**20
KEPT_SCHEMA_BYTES = 96 * 2**20  # apart from the rest: small, slow to decode, and needed for every slice and window
_COLUMN_BYTES = 400  # of a decoded schema
_CELL_BYTES = 32  # of a layout: its edges and atoms, and what is worked out of them
_SEGMENT_BYTES = 400  # beside what is said of its rows
_INFLATED = 10  # how many times a calibration's payload it is when decoded, its scales put together


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSide:
    """The active reference, ready to be compared with, in the version's layout."""

    reference: Reference
    profile: Profile
    bins: Bins


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionContext:
    """A version with all that folding and judging need, as one snapshot saw it.

    ``groups`` are the checks by what they are held against, ``taught`` the calibrations of baselines other than the
    reference, as far as there are any. ``segments`` are those that rows are cut by, ``segmentation`` is their digest
    (None: there are none); ``slices`` are the contexts of those that a check is judged in, each with its own side of
    the reference. In a slice ``segment`` is its name; ``checks`` are those that are judged in it, or in all traffic.
    ``usual_rows`` are those of the reference's own windows on average, None where it has none.
    """

    model: Model
    version: Version
    schema: Schema | None
    layout: Layout | None
    reference: ReferenceSide | None
    calibration: Calibration | None
    performance: PerformanceSide | None
    checks: tuple[Check, ...]
    exact_schema_id: int | None  # of ``schema``, where it is as stored and not fitted to the layout
    groups: tuple[Group, ...] = ()
    taught: Mapping[Baseline, Calibration] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    segmentation: str | None = None
    segment: str = ""
    slices: tuple[VersionContext, ...] = ()
    usual_rows: float | None = None

    @property
    def min_rows(self) -> int:
        """The most rows that any enabled check asks of a window."""
        return max((check.min_rows for check in self.checks if check.enabled), default=0)


class Contexts:
    """Loads the context of a version; one per process. ``kept_bytes`` bounds what stays decoded."""

    def __init__(self, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = Kept(limit=kept_bytes)
        self._schemas = Kept(limit=KEPT_SCHEMA_BYTES)

    def load(self, conn: Connection, *, version_id: int, judging: bool = True) -> VersionContext:
        """The context as this snapshot sees it; ``NotFound`` once the version is deleted.

        Folding compares nothing: with ``judging`` false reference and calibration are left out.
        """
        model, version = get_version_by_id(conn, id=version_id)
        layout = self._layout(conn, id=version.layout_id)
        schema, exact = self._schema(conn, version=version, layout=layout)
        checks = checks_of(model)
        segments, segmentation = self._segments(conn, model=model, version=version, schema=schema)
        reference = self._reference(conn, version=version, layout=layout) if judging else None
        groups: dict[str, tuple[Group, ...]] = {"": all_in_one(checks_in(checks, segment=""))}
        if reference is not None and schema is not None:
            names = [one.name for one in segments]
            groups = groups_of(checks, model=model, version=version, schema=schema, segments=names)
        calibration = self._calibration(conn, version=version, layout=layout) if judging else None
        whole = VersionContext(
            model=model,
            version=version,
            schema=schema,
            exact_schema_id=version.schema_id if exact else None,
            layout=layout,
            reference=reference,
            calibration=calibration,
            performance=self._performance(conn, model=model, version=version),
            checks=checks_in(checks, segment=""),
            groups=groups[""],
            taught=self._taught(conn, version=version, layout=layout, groups=groups[""]),
            segments=segments,
            segmentation=segmentation,
            usual_rows=_usual_rows(reference, calibration=calibration),
        )
        slices = [self._slice(conn, whole, segment=name, groups=groups[name]) for name in groups if name]
        return replace(whole, slices=tuple(slices))

    def _slice(
        self, conn: Connection, whole: VersionContext, *, segment: str, groups: tuple[Group, ...]
    ) -> VersionContext:
        """The version in one segment: its side of the reference, what was learned of it, the checks judged there."""
        version, layout = whole.version, whole.layout
        reference = self._reference(
            conn, version=version, layout=layout, segment=segment, segmentation=whole.segmentation
        )
        return replace(
            whole,
            segment=segment,
            reference=reference,
            usual_rows=_part_of(whole, reference=reference),
            calibration=self._calibration(conn, version=version, layout=layout, segment=segment),
            performance=None,
            checks=checks_in(checks_of(whole.model), segment=segment),
            groups=groups,
            taught=self._taught(conn, version=version, layout=layout, groups=groups, segment=segment),
        )

    def _segments(
        self, conn: Connection, *, model: Model, version: Version, schema: Schema | None
    ) -> tuple[tuple[Segment, ...], str | None]:
        """The segments of the active reference and their digest; not looked for where nobody wants any."""
        id = version.reference_id
        if id is None or not wants_segments(model.settings, schema):
            return (), None
        segmentation = cut_of(conn, reference_id=id)
        if segmentation is None:
            return (), None
        segments = self._kept.get(
            ("segments", segmentation), make=lambda: segments_of(conn, reference_id=id),
            weigh=lambda found: sum(_SEGMENT_BYTES + len(str(segment.shape)) for segment in found),
        )  # fmt: skip
        return segments, segmentation

    def _schema(self, conn: Connection, *, version: Version, layout: Layout | None) -> tuple[Schema | None, bool]:
        """The schema as it is counted by the layout, and whether that is as it is stored."""
        id = version.schema_id
        if id is None:
            return None, False

        def read() -> tuple[Schema, bool]:
            stored = get_schema(conn, id=id)
            fit = fitted(stored, layout=layout)
            return (stored, True) if fit == stored else (fit, False)

        return self._schemas.get(
            (id, version.layout_id), make=read, weigh=lambda found: _COLUMN_BYTES * len(found[0].columns)
        )

    def _layout(self, conn: Connection, *, id: int | None) -> Layout | None:
        if id is None:
            return None

        def read() -> Layout:
            body, digest = get_layout_with_digest(conn, id=id)
            return Layout.decode(body, digest=digest)

        return self._kept.get(("layout", id), make=read, weigh=_weigh_layout)

    def _reference(
        self, conn: Connection, *, version: Version, layout: Layout | None, segment: str = "",
        segmentation: str | None = None,
    ) -> ReferenceSide | None:  # fmt: skip
        id = version.reference_id
        if id is None or layout is None:
            return None
        key = ("reference", id, version.layout_id, segment, segmentation)
        return self._kept.get(
            key,
            make=lambda: _read_reference(conn, id=id, version=version, layout=layout, segment=segment),
            weigh=lambda side: 0 if side is None else side.profile.counts.nbytes,
        )

    def _calibration(
        self, conn: Connection, *, version: Version, layout: Layout | None, segment: str = ""
    ) -> Calibration | None:
        id = version.reference_id
        if id is None or layout is None:
            return None
        made_us = calibration_made_us(conn, version_id=version.id, reference_id=id, segment=segment)
        if made_us is None:
            return None

        def read() -> tuple[Calibration, int] | None:
            stored = get_calibration(conn, version_id=version.id, reference_id=id, segment=segment)
            return None if stored is None else (decode_calibration(stored.payload), len(stored.payload))

        found = self._kept.get(
            ("calibration", version.id, id, segment, made_us),
            make=read,
            weigh=lambda kept: 0 if kept is None else _INFLATED * kept[1],
        )
        return found[0] if found is not None and fits(found[0], layout=layout) else None

    def _taught(
        self, conn: Connection, *, version: Version, layout: Layout | None, groups: tuple[Group, ...],
        segment: str = "",
    ) -> dict[Baseline, Calibration]:  # fmt: skip
        """The calibrations against the groups' baselines, as far as there are any on this layout."""
        id = version.reference_id
        if id is None or layout is None or len(groups) < 2:
            return {}
        made = baseline_calibrations_made_us(conn, version_id=version.id, reference_id=id, segment=segment)
        found: dict[Baseline, Calibration] = {}
        for baseline in (group.baseline for group in groups if group.baseline.text in made):
            text = baseline.text

            def read(text: str = text) -> tuple[Calibration, int] | None:
                stored = get_baseline_calibration(
                    conn, version_id=version.id, reference_id=id, baseline=text, segment=segment
                )
                return None if stored is None else (decode_calibration(stored), len(stored))

            kept = self._kept.get(
                ("calibration", version.id, id, segment, text, made[text]), make=read,
                weigh=lambda kept: 0 if kept is None else _INFLATED * kept[1],
            )  # fmt: skip
            if kept is not None and fits(kept[0], layout=layout):
                found[baseline] = kept[0]
        return found

    def _performance(self, conn: Connection, *, model: Model, version: Version) -> PerformanceSide | None:
        """What the reference says of performance; None where the model has no task, or the reference no outcomes."""
        id = version.reference_id
        if id is None or model.task == "none":
            return None
        made_us = performance_made_us(conn, version_id=version.id, reference_id=id)
        if made_us is None:
            return None

        def read() -> tuple[PerformanceSide, int] | None:
            stored = get_performance(conn, version_id=version.id, reference_id=id)
            business = model.settings.get("business_value")
            return None if stored is None else (decode_side(stored, business=business), len(stored))

        found = self._kept.get(
            ("performance", version.id, id, made_us, model.revision),
            make=read,
            weigh=lambda kept: 0 if kept is None else _INFLATED * kept[1],
        )
        return None if found is None else found[0]


def _usual_rows(reference: ReferenceSide | None, *, calibration: Calibration | None) -> float | None:
    if reference is None or calibration is None:
        return None
    return calibration.usual_rows(reference_rows=reference.profile.rows)


def _part_of(whole: VersionContext, *, reference: ReferenceSide | None) -> float | None:
    """The usual rows of a slice: of all traffic's the part that its rows are of the reference's.

    Its own windows do not say: those that teach have rows enough, which are the larger ones, or there are none.
    """
    if whole.usual_rows is None or whole.reference is None or reference is None:
        return None
    return whole.usual_rows * reference.profile.rows / max(whole.reference.profile.rows, 1)


def _weigh_layout(layout: Layout) -> int:
    hashes = sum(column.known_hashes.nbytes for column in layout.columns if column.known_hashes is not None)
    return _CELL_BYTES * int(layout.offsets[-1]) + hashes


def is_cut_alike(conn: Connection, *, context: VersionContext, now: Version) -> bool:
    """Whether the version, locked, is cut into the same segments by now as its context says."""
    if context.segmentation is None:  # a window that is not cut says so, and is cut when somebody needs it
        return True
    return now.reference_id is not None and cut_of(conn, reference_id=now.reference_id) == context.segmentation


def is_cut(conn: Connection, *, version: Version) -> bool:
    """Whether the version's reference has segments, be they wanted any more or not."""
    return version.reference_id is not None and cut_of(conn, reference_id=version.reference_id) is not None


def segments_of(conn: Connection, *, reference_id: int) -> tuple[Segment, ...]:
    """The segments that the reference is cut by, in their order."""
    stored = reference_segments(conn, reference_id=reference_id)
    return tuple(Segment(name=one.segment, shape=one.shape) for one in stored)


def is_timed(reference: Reference) -> bool:
    """Whether the reference's rows have timestamps: it would have warned otherwise."""
    return all(warning["code"] != "no_timestamp" for warning in reference.warnings)


def checks_of(model: Model) -> tuple[Check, ...]:
    """The model's checks as configured, else the default ones."""
    shapes = model.settings.get("checks")
    return _default_checks() if shapes is None else parse_checks(shapes)


_default_checks = cache(default_checks)  # asked for every window of most models


def fits(calibration: Calibration, *, layout: Layout) -> bool:
    """Whether the calibration was made on this layout."""
    offsets = calibration.layout_cells.offsets
    return len(offsets) == len(layout.offsets) and bool((offsets == layout.offsets).all())


def fitted(schema: Schema, *, layout: Layout | None) -> Schema:
    """The schema with the types that the layout counts: a type that changed counts from the next layout on."""
    if layout is None:
        return schema
    kinds = {column.stored_name: column.kind for column in layout.columns}
    return replace(schema, columns=tuple(_fitted(column, kinds.get(column.stored_name)) for column in schema.columns))


def _fitted(column: Column, kind: str | None) -> Column:
    if kind == "numeric" and column.type != "numeric":
        return replace(column, type="numeric")
    if kind == "categorical" and column.type not in ("categorical", "boolean"):
        return replace(column, type="categorical")
    return column


def _read_reference(
    conn: Connection, *, id: int, version: Version, layout: Layout, segment: str
) -> ReferenceSide | None:
    """The reference in the version's layout; None while it is counted in another (a relayout is on its way)."""
    reference = get_reference_by_id(conn, id=id)
    if reference.layout_id != version.layout_id:
        return None
    if segment:
        side = reference_segment(conn, reference_id=id, segment=segment)
        if side is None or side.layout_id != version.layout_id:
            return None
        payload = side.profile
    else:
        payload = reference_profile(conn, reference_id=id)
    profile = codec.decode(payload, layout)
    return ReferenceSide(reference=reference, profile=profile, bins=decile_groups(layout, profile))
