"""References: set from a file or from stored rows, listed, activated again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.params import ModelName, Page, Span, TimeRange, VersionName
from monitor.api.reference_shape import published_shape, reference_detail, reference_shape
from monitor.api.render import answer, page
from monitor.api.revision import check_if_match, etag_of
from monitor.api.routing import Operation, V
from monitor.api.services import Parts, Services
from monitor.api.upload import Upload, received_file
from monitor.columns.roles import ARGUMENTS, Roles
from monitor.evaluate.activation import Published, activate
from monitor.evaluate.copied_reference import copy_reference
from monitor.evaluate.profile_file import set_profile_file
from monitor.evaluate.reference import Origin, set_reference
from monitor.evaluate.stored_reference import set_stored_reference
from monitor.ingest.open_table import TABLE_TYPES, open_table
from monitor.model.entities import Version
from monitor.model.errors import InvalidInput, UnsupportedMedia
from monitor.model.names import valid_name
from monitor.profile.dlp import DLP_MEDIA_TYPE, MAX_BYTES, read_dlp
from monitor.store import references, versions

MEDIA_TYPES = (*TABLE_TYPES, DLP_MEDIA_TYPE)
MAX_SOURCE = 2_000
SMALL_BYTES = 1024**2
_MINIMAL = "return=minimal"
FromVersion = Annotated[str | None, Query(description="the version of the same model whose reference it takes over")]


async def put_reference(model: ModelName, version: VersionName, request: Request, services: Parts) -> Response:
    """Sets the reference from the file in the body; the roles of its columns are in the query."""
    media_type = _media_type(request)
    roles, source = _roles(request)
    found = await run_in_threadpool(_version, services, model, version, request)
    async with received_file(
        request, directory=services.settings.upload_dir, places=services.uploads, budget=services.ingest.budget
    ) as upload:
        origin = Origin(digest=upload.digest, source=source, media_type=media_type)
        async with services.small_references if upload.size <= SMALL_BYTES else services.references:
            published = await run_in_threadpool(
                _set, services, version=found, upload=upload, roles=roles, origin=origin
            )  # fmt: skip
    services.ingest.invalidate()
    return await run_in_threadpool(_answer, published, brief=_MINIMAL in request.headers.get("prefer", ""))


async def post_reference(
    model: ModelName, version: VersionName, span: Span, request: Request, services: Parts,
    from_version: FromVersion = None,
) -> Response:  # fmt: skip
    """Makes a reference of the stored rows in ``[from, to)``, or takes over another version's."""
    spanned = span.from_us is not None and span.to_us is not None
    if spanned == (from_version is not None) or (span.from_us is None) != (span.to_us is None):
        raise InvalidInput(
            "a reference from stored rows needs both from and to, one of another version its name: "
            "expected ?from=…&to=… or ?from_version=…", code="time",
        )  # fmt: skip
    if from_version is not None:
        valid_name(from_version, kind="version")
    found = await run_in_threadpool(_version, services, model, version, request)
    async with services.references:
        published = await run_in_threadpool(
            _from_stored, services, version=found, model=model, span=span, from_version=from_version
        )
    services.ingest.invalidate()
    return await run_in_threadpool(_answer, published)


def _from_stored(
    services: Services, *, version: Version, model: str, span: TimeRange, from_version: str | None
) -> Published:
    if span.from_us is not None and span.to_us is not None:
        return set_stored_reference(
            services.store, version_id=version.id, from_us=span.from_us, to_us=span.to_us, now_us=services.now_us(),
            max_segments=services.settings.max_segments,
        )  # fmt: skip
    with services.store.read() as conn:
        _, other = versions.get_version(conn, model=model, version=from_version or version.name)
    return copy_reference(
        services.store, from_version_id=other.id, to_version_id=version.id, now_us=services.now_us(),
        max_segments=services.settings.max_segments,
    )  # fmt: skip


def get_reference(model: ModelName, version: VersionName, services: Parts) -> Response:
    """The active reference, with its schema and a summary of its columns."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        reference = references.get_reference(conn, version_id=found.id)
        detail = reference_detail(conn, reference=reference)
    return answer(reference_shape(reference, active=True) | detail, etag=etag_of(reference.number))


def list_references(model: ModelName, version: VersionName, asked: Page, services: Parts) -> Response:
    """Every reference ever set, newest first."""
    key = asked.after(int)
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        stored = references.list_references(
            conn, version_id=found.id, before=None if key is None else key[0], limit=asked.limit + 1
        )
    shown = stored[: asked.limit]
    return page(
        [reference_shape(reference, active=reference.id == found.reference_id) for reference in shown],
        following=[shown[-1].number] if len(stored) > asked.limit else None,
    )


def activate_reference(
    model: ModelName, version: VersionName, number: Annotated[int, Path(ge=1, lt=2**63)], services: Parts
) -> Response:
    """Goes back to an earlier reference. What is closed keeps its results; ``evaluate`` computes it again."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        references.get_reference(conn, version_id=found.id, number=number)
    published = activate(
        services.store, version_id=found.id, number=number, now_us=services.now_us(),
        max_segments=services.settings.max_segments,
    )  # fmt: skip
    services.ingest.invalidate()
    return _answer(published)


def _answer(published: Published, *, brief: bool = False) -> Response:
    """The reference; ``brief`` leaves out its schema and the summary of its columns (RFC 7240)."""
    return answer(
        reference_shape(published.reference, active=True) if brief else published_shape(published),
        status=201 if published.created else 200,
        etag=etag_of(published.reference.number),
        headers={"Preference-Applied": _MINIMAL} if brief else None,
    )


def _media_type(request: Request) -> str:
    sent = request.headers.get("content-type", "")
    media_type = sent.partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise UnsupportedMedia(
            f"content type {sent[:80]!r} is not taken here: expected one of {', '.join(MEDIA_TYPES)}"
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMedia(f"content encoding {encoding[:40]!r} is not taken here: send the file as it is")
    return media_type


def _roles(request: Request) -> tuple[Roles, str]:
    source = request.query_params.get("source", "")
    if len(source) > MAX_SOURCE:
        raise InvalidInput(f"source has {len(source)} characters: expected at most {MAX_SOURCE}")
    return Roles.from_query(
        (name, text) for name, text in request.query_params.multi_items() if name != "source"
    ), source


def _version(services: Services, model: str, version: str, request: Request) -> Version:
    """The version, before a byte of the body is read; ``If-Match`` names the active reference."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        if "if-match" in request.headers:
            check_if_match(request, revision=_active_number(conn, found))
    return found


def _active_number(conn: Connection, version: Version) -> int | None:
    if version.reference_id is None:
        return None
    return references.get_reference_by_id(conn, id=version.reference_id).number


def _set(services: Services, *, version: Version, upload: Upload, roles: Roles, origin: Origin) -> Published:
    if origin.media_type == DLP_MEDIA_TYPE:
        with upload.path.open("rb") as sent:
            file = read_dlp(sent.read(MAX_BYTES + 1))
        return set_profile_file(
            services.store, version_id=version.id, file=file, origin=origin, now_us=services.now_us()
        )
    return set_reference(
        services.store, version_id=version.id, roles=roles, now_us=services.now_us(), origin=origin,
        source=lambda: open_table(upload.path, origin.media_type),
        max_columns=services.settings.max_columns, max_segments=services.settings.max_segments,
    )  # fmt: skip


_PARAMETERS: tuple[dict[str, Any], ...] = (
    *(
        {
            "name": argument.name, "in": "query", "description": argument.help, "required": False,
            "schema": {"type": "array", "items": {"type": "string"}} if argument.repeatable else {"type": "string"},
        }
        for argument in ARGUMENTS
    ),
    {"name": "source", "in": "query", "description": "where the data came from; kept as provenance",
     "required": False, "schema": {"type": "string"}},
)  # fmt: skip
_FILE: dict[str, Any] = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES}
_SET = {201: "set and active", 200: "the same file and roles as before: active again"}

OPERATIONS = (
    Operation(method="PUT", path=f"{V}/reference", endpoint=put_reference, summary="Set the reference from a file",
              tag="references", answers=_SET, body=_FILE, parameters=_PARAMETERS,
              shape=shape_of("Reference")),
    Operation(method="POST", path=f"{V}/reference", endpoint=post_reference, answers=_SET,
              summary="Make a reference of stored rows", tag="references", shape=shape_of("Reference")),
    Operation(method="GET", path=f"{V}/reference", endpoint=get_reference, summary="The active reference",
              tag="references", shape=shape_of("Reference")),
    Operation(method="GET", path=f"{V}/references", endpoint=list_references, tag="references",
              summary="Every reference ever set, newest first", answers={200: "a page"}, shape=page_of("Reference")),
    Operation(method="POST", path=f"{V}/reference/{{number}}/activate", endpoint=activate_reference,
              summary="Go back to an earlier reference", tag="references", answers={200: "active"},
              shape=shape_of("Reference")),
)  # fmt: skip
