"""Tokens: made, listed, revoked. A token itself is in one answer only, the one that made it."""

from __future__ import annotations

import re
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API
from monitor.api.answer_shapes import page_of, shape_of
from monitor.api.body import JsonObject
from monitor.api.params import Page
from monitor.api.render import answer, page
from monitor.api.routing import Operation, json_body
from monitor.api.services import Parts, Services
from monitor.model.errors import Conflict, InvalidInput, NotFound
from monitor.model.grants import ROLE_NAMES, Grant, digest_of, new_token
from monitor.model.names import nearest
from monitor.model.quota import MOST, NAMES, quota_of
from monitor.model.time import parse_ahead, rfc3339
from monitor.store import tokens
from monitor.store.tokens import StoredToken

_ID = re.compile(r"(?:tok_)?([1-9]\d{0,17})")
_FILE = "file_"
_FIELDS = ("name", "role", "models", "expires", "quota")
_FIRST = "the first one: from now on every request needs a token, also over loopback"


def create_token(body: JsonObject, services: Parts) -> Response:
    """A new token. It is shown here and never again: only its hash is stored."""
    now_us = services.now_us()
    grant = _grant(body, now_us=now_us)
    token = new_token()
    with services.store.write() as conn:
        first = not tokens.any_token(conn) and not services.keyring.file_grants
        if not grant.unlimited_admin and not _admins(conn, services=services, now_us=now_us):
            raise InvalidInput(
                "the first token must be of role 'admin' and for every model, or nobody could make another: "
                'make that one first, with {"role": "admin"}', code="first_token",
            )  # fmt: skip
        made = tokens.insert_token(conn, grant, digest=digest_of(token), now_us=now_us)
    services.keyring.refresh()
    shape = token_shape(made, now_us=now_us) | {"token": token} | ({"note": _FIRST} if first else {})
    location = f"{API}/tokens/{shape['id']}"
    return answer(shape, status=201, headers={"Cache-Control": "no-store", "Location": location})


def list_tokens(asked: Page, services: Parts) -> Response:
    """Every token in the order they were made, also those that ended; then those of the administrator's file."""
    (after,) = asked.after(int) or [0]
    now_us = services.now_us()
    with services.store.read() as conn:
        found = tokens.list_tokens(conn, after=after, limit=asked.limit + 1)
    shown = [token_shape(stored, now_us=now_us) for stored in found[: asked.limit]]
    if len(found) > asked.limit:
        return page(shown, following=[found[asked.limit - 1].id])
    listed = [_shape(g, id=_FILE + g.name, state=_state(g, now_us=now_us)) for g in services.keyring.file_grants]
    return page([*shown, *listed], following=None)


def revoke_token(token: str, services: Parts) -> Response:
    """The token opens nothing any more: here at once, on every replica within two seconds."""
    if token.removeprefix(_FILE) in {g.name for g in services.keyring.file_grants} and token.startswith(_FILE):
        raise Conflict(f"{token} is in the administrator's tokens file: remove it there")
    match = _ID.fullmatch(token)
    if match is None:  # it may be the token itself: the answer does not repeat it
        raise NotFound("no token has that id: expected one such as tok_12, from GET /api/v1/tokens")
    id, now_us = int(match[1]), services.now_us()
    with services.store.write() as conn:
        admins = _admins(conn, services=services, now_us=now_us)
        if admins == {id}:
            raise Conflict(
                f"tok_{id} is the last token of role 'admin' for every model: nobody could make another. "
                "Make the one that takes its place first"
            )
        tokens.revoke_token(conn, id=id, now_us=now_us)
    services.keyring.refresh()
    return Response(status_code=204)


def token_shape(stored: StoredToken, *, now_us: int) -> dict[str, Any]:
    """A token as the API shows it; its secret is not known here."""
    state = "revoked" if stored.revoked_us is not None else _state(stored.grant, now_us=now_us)
    return _shape(stored.grant, id=f"tok_{stored.id}", state=state) | {
        "created": rfc3339(stored.created_us), "revoked": _shown(stored.revoked_us),
        "last_used": _shown(stored.last_used_us),
    }  # fmt: skip


def _shape(grant: Grant, *, id: str, state: str) -> dict[str, Any]:
    return {
        "id": id, "name": grant.name, "role": grant.role, "models": list(grant.models), "state": state,
        "expires": _shown(grant.expires_us), "quota": None if grant.quota is None else grant.quota.to_json(),
    }  # fmt: skip


def _state(grant: Grant, *, now_us: int) -> Literal["active", "expired"]:
    return "active" if grant.live(now_us) else "expired"


def _shown(instant_us: int | None) -> str | None:
    return None if instant_us is None else rfc3339(instant_us)


def _admins(conn: Connection, *, services: Services, now_us: int) -> set[int]:
    """Ids of the tokens that may make others now; 0 stands for those of the file."""
    found = {s.id for s in tokens.list_tokens(conn) if s.grant.unlimited_admin and s.live(now_us)}
    return found | {0 for g in services.keyring.file_grants if g.unlimited_admin and g.live(now_us)}


def _grant(body: dict[str, Any], *, now_us: int) -> Grant:
    for key in body:
        if key not in _FIELDS:
            raise InvalidInput(f"{key[:40]!r} is not a field of a token{nearest(key, _FIELDS)}: expected "
                               f"{', '.join(_FIELDS)}", code="field")  # fmt: skip
    role, models = body.get("role"), body.get("models")
    if not isinstance(role, str):
        raise InvalidInput(f"role: expected one of {', '.join(ROLE_NAMES)}", code="role")
    name = body.get("name", role)
    if not isinstance(name, str):
        raise InvalidInput("name: expected a text, such as the system that will use the token", code="name")
    if not isinstance(models, list | None):
        raise InvalidInput('models: expected a list of names and patterns, such as ["churn*"]', code="models")
    expires_us = _expiry(body.get("expires"), now_us=now_us)
    quota = quota_of(body.get("quota"))
    return Grant(name=name, role=role, models=tuple(models or ()), expires_us=expires_us, quota=quota)  # type: ignore[arg-type]  # Grant checks the role


def _expiry(value: Any, *, now_us: int) -> int | None:
    """A duration from now, or an instant; both must lie ahead."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput("expires: expected a duration such as 90d, or a time such as 2027-01-01", code="expires")
    expires_us = parse_ahead(value, name="expires", now_us=now_us)
    if not now_us < expires_us < 1 << 53:
        raise InvalidInput(f"expires {value[:40]!r} is not ahead, or too far: expected such as 90d", code="expires")
    return expires_us


_BODY = {
    "type": "object", "required": ["role"],
    "properties": {
        "name": {"type": "string", "description": "what it is for; the role unless told"},
        "role": {"enum": list(ROLE_NAMES)},
        "models": {"type": "array", "items": {"type": "string"}, "description": "name patterns; all unless told"},
        "expires": {"type": "string", "examples": ["90d", "2027-01-01"], "description": "never unless told"},
        "quota": {
            "type": "object", "minProperties": 1, "additionalProperties": False,
            "properties": {name: {"type": "integer", "minimum": 1, "maximum": MOST} for name in NAMES},
            "description": "what it may do in a minute; no bound unless told",
        },
    },
}  # fmt: skip

OPERATIONS = (
    Operation(method="GET", path=f"{API}/tokens", endpoint=list_tokens, summary="Every token, without its secret",
              tag="tokens", answers={200: "a page"}, shape=page_of("Token")),
    Operation(method="POST", path=f"{API}/tokens", endpoint=create_token, summary="Make a token", tag="tokens",
              answers={201: "made; the only answer that holds the token"},
              shape=shape_of("Token"), body=json_body(_BODY)),
    Operation(method="DELETE", path=f"{API}/tokens/{{token}}", endpoint=revoke_token, summary="Revoke a token",
              tag="tokens", answers={204: "it opens nothing any more"}),
)  # fmt: skip
