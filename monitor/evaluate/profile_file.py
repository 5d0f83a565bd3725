"""A reference from a ``.dlp`` profile: counts made elsewhere, no rows."""

from __future__ import annotations

from monitor.columns.roles import Roles
from monitor.evaluate.activation import Draft, Published, activate, discarding, publish
from monitor.evaluate.reference import Known, Origin, begin, earlier_reference, read_known
from monitor.evaluate.reference_profile import WindowProfiles, profiled
from monitor.evaluate.reference_warnings import reference_warnings
from monitor.evaluate.segment_sides import sides_of_profile
from monitor.model.errors import InvalidInput
from monitor.model.schema import Schema
from monitor.profile import codec
from monitor.profile.dlp import ProfileFile, write_dlp
from monitor.store.engine import Store
from monitor.store.references import append_chunk


def set_profile_file(store: Store, *, version_id: int, file: ProfileFile, origin: Origin, now_us: int) -> Published:
    """The reference that the profile is, active; the same file again: the earlier one, activated.

    Its cells become the version's: windows counted in others are counted again from their rows when needed.
    """
    known = read_known(store, version_id=version_id)
    roles = Roles.from_json(file.roles)
    earlier = earlier_reference(store, version_id=version_id, digest=origin.digest, roles=roles)
    if earlier is not None:
        return activate(store, version_id=version_id, number=earlier.number, now_us=now_us)
    draft = _draft(file, known=known, positive=roles.positive)
    reference = begin(store, version_id=version_id, roles=roles, origin=origin, now_us=now_us)
    with discarding(store, reference=reference):
        with store.write() as conn:
            append_chunk(conn, reference_id=reference.id, seq=0, payload=write_dlp(file))
        return publish(
            store, model=known.model, version=known.version, reference=reference, draft=draft, digest=origin.digest,
            now_us=now_us,
        )  # fmt: skip


def _draft(file: ProfileFile, *, known: Known, positive: str | None) -> Draft:
    schema = _schema(file, known=known)
    spec = known.model.window
    timed = bool(file.windows) and (file.window, file.timezone) == (spec.length, spec.timezone)
    windows = WindowProfiles(file.layout, spec=spec)
    for start_us, profile in file.windows if timed else ():
        windows.put(start_us, codec.encode(profile))
    warnings = reference_warnings(
        schema=schema, layout=file.layout, profile=file.profile, timed=timed, unusable=0, unknown=()
    )
    if file.windows and not timed:
        said = f"the profile is cut into windows of {file.window} ({file.timezone}), the model's are of {spec.length}"
        warnings = (*warnings, {"code": "other_windows", "column": "", "message": f"{said} ({spec.timezone})"})
    return Draft(
        schema=schema,
        made=profiled(file.layout, profile=file.profile, windows=windows if timed else None),
        rows=file.profile.rows,
        sides=sides_of_profile(schema=schema, model=known.model),
        warnings=warnings,
        positive=positive,
    )


def _schema(file: ProfileFile, *, known: Known) -> Schema:
    """The declared schema, which must know the profile's columns; else the profile's own."""
    declared = known.declared
    if declared is None:
        return file.schema
    for column in file.layout.columns:
        if column.stored_name not in declared.by_stored_name:
            raise InvalidInput(
                f"the profile has column {column.name!r}, which the version's schema does not: "
                "profile the file again without it (--ignore), or add it to the schema"
            )
    return declared
