"""The parts of an HTTP request that ingest reads: media type, encoding, key, preference, roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from monitor.columns.roles import ARGUMENTS, Roles
from monitor.ingest.assemble import JSON_TYPES, MEDIA_TYPES
from monitor.ingest.limits import MAX_KEY_CHARS
from monitor.model.errors import InvalidInput, UnsupportedMedia
from monitor.model.names import nearest

NO_ROLES = Roles()
PREDICTION_PARAMETERS = ("dry_run", *(a.name for a in ARGUMENTS))
LABEL_PARAMETERS = ("dry_run", "id", "label", "timestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for, validated; the same for every request with the same headers and query."""

    media_type: str
    encoding: str = ""
    strict: bool = False
    dry_run: bool = False
    roles: Roles = NO_ROLES

    @property
    def plain(self) -> bool:
        """Nothing but a body of JSON records to store."""
        return not self.encoding and not self.dry_run and self.roles is NO_ROLES and self.media_type in JSON_TYPES


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body: what it asks for, its declared length, its key."""

    asked: Asked
    length: str | None = None
    key: str | None = None


def head_of(
    headers: Iterable[tuple[bytes, bytes]], query: bytes, *, parameters: tuple[str, ...] = PREDICTION_PARAMETERS
) -> Head:
    """The request's head out of ASGI headers and query string; client errors for what is not understood.

    ``parameters`` are the names that the route takes in its query.
    """
    media_type = encoding = prefer = b""
    length = key = None
    for name, value in headers:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length":
            length = value.decode("latin-1")
        elif name == b"content-encoding":
            encoding = value
        elif name == b"idempotency-key":
            key = _key(value.decode("latin-1"))
        elif name == b"prefer":
            prefer = value
    asked = _asked(
        media_type.decode("latin-1"), encoding.decode("latin-1"), prefer.decode("latin-1"), query, parameters
    )
    return Head(asked, length, key)


@lru_cache(maxsize=1024)
def _asked(media_type: str, encoding: str, prefer: str, query: bytes, known: tuple[str, ...]) -> Asked:
    parameters = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
    return Asked(
        media_type=_media_type(media_type),
        encoding=encoding,
        strict="handling=strict" in prefer.lower().replace(" ", ""),
        dry_run=_dry_run(parameters) if parameters else False,
        roles=_roles(parameters, known) if parameters else NO_ROLES,
    )


def _media_type(header: str) -> str:
    name, _, parameters = header.partition(";")
    name = name.strip().lower()
    if name not in MEDIA_TYPES:
        raise UnsupportedMedia(
            f"Content-Type {header[:80]!r} is not taken here: expected one of {', '.join(MEDIA_TYPES)}"
        )
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMedia(f"charset {charset[:40]!r} is not taken here: expected utf-8")
    return name


def _key(header: str) -> str:
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


def _roles(parameters: list[tuple[str, str]], known: tuple[str, ...]) -> Roles:
    for name, _ in parameters:
        if name not in known:
            raise InvalidInput(f"query parameter {name[:60]!r} is not known{nearest(name, known)}", code="parameter")
    roles = Roles.from_query(parameters)
    return NO_ROLES if roles == NO_ROLES else roles
