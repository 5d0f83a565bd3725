"""The parts of an HTTP request that ingest reads: media type, encoding, key, preference, roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from monitor.columns.roles import ARGUMENTS, Roles
from monitor.ingest.assemble import MEDIA_TYPES
from monitor.ingest.limits import MAX_KEY_CHARS
from monitor.model.errors import InvalidInput, UnsupportedMedia
from monitor.model.names import nearest

_HEADERS = {
    b"content-type": "content_type", b"content-encoding": "encoding", b"content-length": "length",
    b"idempotency-key": "key", b"prefer": "prefer",
}  # fmt: skip
NO_ROLES = Roles()
_KNOWN_PARAMETERS = ("dry_run", *(a.name for a in ARGUMENTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for, validated."""

    media_type: str
    encoding: str = ""
    length: str | None = None
    key: str | None = None
    strict: bool = False
    dry_run: bool = False
    roles: Roles = NO_ROLES


def asked(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> Asked:
    """The request's parts out of ASGI headers and query string; client errors for what is not understood."""
    found: dict[str, str] = {}
    for name, value in headers:
        part = _HEADERS.get(name)
        if part is not None:
            found[part] = value.decode("latin-1")
    parameters = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
    return Asked(
        media_type=_media_type(found.get("content_type")),
        encoding=found.get("encoding", ""),
        length=found.get("length"),
        key=_key(found.get("key")),
        strict="handling=strict" in found.get("prefer", "").lower().replace(" ", ""),
        dry_run=_dry_run(parameters) if parameters else False,
        roles=_roles(parameters) if parameters else NO_ROLES,
    )


def _media_type(header: str | None) -> str:
    if header == "application/json":
        return header
    name, _, parameters = (header or "").partition(";")
    name = name.strip().lower()
    if name not in MEDIA_TYPES:
        raise UnsupportedMedia(
            f"Content-Type {(header or '')[:80]!r} is not taken here: expected one of {', '.join(MEDIA_TYPES)}"
        )
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMedia(f"charset {charset[:40]!r} is not taken here: expected utf-8")
    return name


def _key(header: str | None) -> str | None:
    if header is None:
        return None
    key = header.strip()
    if not key or len(key) > MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise InvalidInput(
            f"Idempotency-Key {key[:40]!r} cannot be used: expected 1 to {MAX_KEY_CHARS} printable ASCII characters",
            code="key",
        )
    return key


def _dry_run(parameters: list[tuple[str, str]]) -> bool:
    value = next((v for name, v in parameters if name == "dry_run"), "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidInput(f"dry_run {value[:40]!r} is not known: expected true or false", code="dry_run")
    return value in ("true", "1")


def _roles(parameters: list[tuple[str, str]]) -> Roles:
    for name, _ in parameters:
        if name not in _KNOWN_PARAMETERS:
            raise InvalidInput(
                f"query parameter {name[:60]!r} is not known{nearest(name, _KNOWN_PARAMETERS)}", code="parameter"
            )
    return Roles.from_query(parameters)
