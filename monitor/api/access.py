"""Who may call what: every route has one role here, and every request is decided here.

Closed by default: a route without a role cannot be registered, and a token that is limited to some models reaches
only routes of a model that it is for, and those of ``SHARED``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from monitor.ingest.quota import Meter
from monitor.model.errors import AccessDenied, ConfigurationError, Unauthenticated
from monitor.model.grants import Grant

Role = Literal["open", "metrics", "ingest", "read", "write", "admin"]

API = "/api/v1"
_M = API + "/models/{model}"
_V = _M + "/versions/{version}"

# "METHOD /path" → the role a caller needs.
ROLES: dict[str, Role] = {
    "GET /livez": "open",
    "GET /readyz": "open",
    "GET /metrics": "metrics",
    "GET /": "read",
    "GET /docs": "read",
    "GET /runbooks": "open",  # the same in every installation, and read on a phone at night
    "GET /runbooks/{alert}": "open",
    f"GET {API}/openapi.json": "read",
    f"POST {_V}/predictions": "ingest",
    f"POST {_M}/predictions": "ingest",
    f"POST {_M}/labels": "ingest",
    f"GET {_M}/labels/quarantine": "read",
    f"POST {_M}/labels/quarantine/replay": "write",
    f"GET {API}/models": "read",
    f"GET {_M}": "read",
    f"PUT {_M}": "write",
    f"DELETE {_M}": "admin",
    f"POST {_M}/erase": "admin",
    f"GET {_M}/erasures": "read",
    f"GET {_M}/erasures/{{erasure}}": "read",
    f"PUT {_M}/legal-hold": "admin",
    f"DELETE {_M}/legal-hold": "admin",
    f"POST {_M}/relayout": "write",
    f"GET {_M}/versions": "read",
    f"GET {_V}": "read",
    f"PUT {_V}": "write",
    f"DELETE {_V}": "admin",
    f"PUT {_V}/reference": "write",
    f"POST {_V}/reference": "write",
    f"GET {_V}/reference": "read",
    f"GET {_V}/references": "read",
    f"POST {_V}/reference/{{number}}/activate": "write",
    f"GET {_V}/results": "read",
    f"GET {_V}/profile": "read",
    f"GET {_V}/windows": "read",
    f"PUT {_V}/windows/{{start}}/mark": "write",
    f"DELETE {_V}/windows/{{start}}/mark": "write",
    f"GET {_V}/status": "read",
    f"POST {_V}/evaluate": "write",
    f"POST {_V}/explain": "read",  # it asks, and changes nothing
    f"GET {_V}/records": "read",
    f"GET {_V}/quarantine": "read",
    f"POST {_V}/quarantine/replay": "write",
    f"POST {API}/apply": "write",
    f"GET {API}/schema/config.json": "read",
    f"GET {API}/jobs/{{job}}": "read",
    f"GET {API}/alerts": "read",
    f"GET {API}/alerts/{{alert}}": "read",
    f"POST {API}/alerts/{{alert}}/acknowledge": "write",
    f"DELETE {API}/alerts/{{alert}}/acknowledge": "write",
    f"POST {API}/alerts/{{alert}}/snooze": "write",
    f"DELETE {API}/alerts/{{alert}}/snooze": "write",
    f"POST {API}/alerts/{{alert}}/verdict": "write",
    f"DELETE {API}/alerts/{{alert}}/verdict": "write",
    f"GET {_M}/silences": "read",
    f"POST {_M}/silences": "write",
    f"DELETE {_M}/silences/{{silence}}": "write",
    # what later releases bring answers 501, to whoever will be allowed to use it
    f"POST {_M}/checks/simulate": "write",
    f"POST {_V}/drill": "write",
    f"GET {_V}/drill": "read",
    f"GET {_V}/compare": "read",
    f"GET {_V}/report": "read",
    f"GET {_V}/suggest-checks": "read",
    f"GET {API}/actions": "read",
    f"GET {API}/actions/{{action}}": "read",
    f"POST {API}/actions/{{action}}/retry": "write",
    f"POST {API}/actions/{{action}}/cancel": "write",
    f"POST {API}/actions/{{action}}/approve": "write",
    f"POST {API}/alertmanager": "ingest",
    f"POST {API}/backup": "admin",
    f"GET {API}/tokens": "admin",
    f"POST {API}/tokens": "admin",
    f"DELETE {API}/tokens/{{token}}": "admin",
}

# Routes without a model in their path that show a token nothing of models it is not for.
SHARED: frozenset[str] = frozenset({
    "GET /", "GET /docs", f"GET {API}/openapi.json", f"GET {API}/schema/config.json",
    f"GET {API}/models", f"GET {API}/alerts", f"GET {API}/alerts/{{alert}}", f"GET {API}/jobs/{{job}}",
    f"POST {API}/apply",  # each model of its body is decided on
    # of an alert of a model that the token is not for, the answer is that of one that is not there
    *(f"POST {API}/alerts/{{alert}}/{word}" for word in ("acknowledge", "snooze", "verdict")),
    *(f"DELETE {API}/alerts/{{alert}}/{word}" for word in ("acknowledge", "snooze", "verdict")),
})  # fmt: skip

# Routes that no quota holds up. Alertmanager gives up what it gets a 4xx for: an alert would be lost.
UNMETERED: frozenset[str] = frozenset({f"POST {API}/alertmanager"})


def role_of(method: str, *, path: str) -> Role:
    """The role a route needs; a route that is not in the table stops the start."""
    role = ROLES.get(f"{method} {path}")
    if role is None:
        raise ConfigurationError(f"route {method} {path} has no role: add it to monitor/api/access.py")
    return role


LADDER: tuple[Role, ...] = ("read", "write", "admin")  # each includes the ones before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever sent a request: the roles it holds, and its token's grant (None: it has none).

    ``free`` are the roles that need no token at all; ``meter`` counts what it uses of its quota, if it has one.
    """

    held: frozenset[Role]
    free: frozenset[Role] = frozenset({"open"})
    grant: Grant | None = None
    meter: Meter | None = None

    def sees(self, model: str) -> bool:
        """Whether lists may show it that model."""
        return self.grant is None or self.grant.sees(model)

    @property
    def limited(self) -> bool:
        """Whether there may be models it does not see."""
        return self.grant is not None and bool(self.grant.models)


EVERYBODY = Caller(held=frozenset(get_args(Role)))  # who reaches a server that has no tokens
NOBODY = Caller(held=frozenset({"open"}))  # who has no token where one is needed


def caller_of(grant: Grant, *, free: frozenset[Role] = NOBODY.free, meter: Meter | None = None) -> Caller:
    """Who holds the token: its role, for those of the ladder the ones below it, and what is free.

    >>> sorted(caller_of(Grant(name="t", role="write")).held)
    ['open', 'read', 'write']
    """
    roles = LADDER[: LADDER.index(grant.role) + 1] if grant.role in LADDER else (grant.role,)
    return Caller(held=frozenset(roles) | free, free=free, grant=grant, meter=meter)


def decide(needed: Role, *, caller: Caller, model: str | None = None, shared: bool = False) -> None:
    """Nothing, or ``AccessDenied`` that says what is missing; ``model`` is the one that the path names.

    ``shared``: the route shows a limited token nothing that is not for it.
    """
    if needed not in caller.held:
        if caller.grant is None:
            raise Unauthenticated(
                "this needs a token: send 'Authorization: Bearer <token>' with one that is known, not expired and not "
                "revoked"
            )
        raise AccessDenied(f"this needs the role {needed!r}: ask for a token that has it", code="role")
    if caller.grant is None or not caller.grant.models or needed in caller.free:
        return
    if model is None and not shared:
        raise AccessDenied(
            "this is about every model, and the token is limited to some: use one without", code="models"
        )
    if model is not None and not caller.grant.sees(model):
        raise AccessDenied(f"the token is limited to other models than {model[:128]!r}", code="models")
