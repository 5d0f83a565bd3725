"""Who may call what: every route has one role here, and every request is decided here.

This release has no tokens, so whoever reaches the server holds every role; the server is therefore reachable from
loopback only, unless the administrator said otherwise. A route without a role cannot be registered.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Literal, get_args
from urllib.parse import urlsplit

from monitor.model.errors import AccessDenied, ConfigurationError

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
    f"GET {_V}/status": "read",
    f"POST {_V}/evaluate": "write",
    f"GET {_V}/records": "read",
    f"GET {_V}/quarantine": "read",
    f"POST {_V}/quarantine/replay": "write",
    f"GET {API}/jobs/{{job}}": "read",
    f"GET {API}/alerts": "read",
    f"GET {API}/alerts/{{alert}}": "read",
    # what later releases bring answers 501, to whoever will be allowed to use it
    f"POST {API}/alerts/{{alert}}/acknowledge": "write",
    f"POST {API}/alerts/{{alert}}/snooze": "write",
    f"POST {API}/alerts/{{alert}}/verdict": "write",
    f"GET {_M}/silences": "read",
    f"POST {_M}/silences": "write",
    f"PUT {_V}/windows/{{start}}/mark": "write",
    f"POST {_M}/checks/simulate": "write",
    f"GET {_V}/compare": "read",
    f"POST {_V}/explain": "write",
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
    f"GET {API}/schema/config.json": "read",
}


def role_of(method: str, *, path: str) -> Role:
    """The role a route needs; a route that is not in the table stops the start."""
    role = ROLES.get(f"{method} {path}")
    if role is None:
        raise ConfigurationError(f"route {method} {path} has no role: add it to monitor/api/access.py")
    return role


ANYBODY: frozenset[Role] = frozenset(get_args(Role))  # what a caller holds while there are no tokens
LADDER: tuple[Role, ...] = ("read", "write", "admin")  # each includes the ones before it


def decide(needed: Role, *, held: frozenset[Role]) -> None:
    """Nothing, or ``AccessDenied`` that names the missing role.

    >>> decide("read", held=frozenset({"admin"}))
    """
    if needed == "open" or needed in held:
        return
    if needed in LADDER and any(role in held for role in LADDER[LADDER.index(needed) :]):
        return
    raise AccessDenied(f"this needs the role {needed!r}: ask for a token that has it")


def is_loopback(host: str) -> bool:
    """Whether an address, or everything a name resolves to, is this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def check_binding(host: str, *, allow_anonymous: bool) -> None:
    """Nothing, or ``ConfigurationError`` with the remedy: without tokens only this machine may connect."""
    if not allow_anonymous and not is_loopback(host):
        raise ConfigurationError(
            f"host {host!r} is reachable from other machines, and this release has no tokens: anybody could read and "
            "write. Listen on 127.0.0.1 behind a proxy that authenticates, or set DRIFTLINE_ALLOW_ANONYMOUS=true "
            "if the network itself keeps strangers out"
        )


class Doorkeeper:
    """Turns away what no honest client of this server sends: other sites in a browser, and strangers.

    Loopback without a token is open to every page in the user's browser, unless its requests are told apart:
    by ``Host`` (a rebound name of another site, https://owasp.org/www-community/attacks/DNS_Rebinding), by
    ``Origin`` and by ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/).
    """

    def __init__(self, *, host: str, public_url: str | None, allow_anonymous: bool) -> None:
        public = urlsplit(public_url or "")
        self._allow_anonymous = allow_anonymous
        self._public_origin = public.netloc.lower()
        self._own_names = {"", "localhost", host.lower().strip("[]"), (public.hostname or "").lower()}
        self._known_hosts: set[bytes] = set()
        self._known_servers: set[str] = set()

    def check(self, *, method: str, host: bytes, origin: bytes, fetch_site: bytes, server: str | None) -> None:
        """Nothing, or ``AccessDenied`` that says why. ``server`` is the local address the connection came in on."""
        if not self._allow_anonymous:
            if server is not None and server not in self._known_servers:
                self._check_server(server)
            if host not in self._known_hosts:
                self._check_host(host)
        if origin:
            self._check_origin(origin.decode("latin-1"), host=host.decode("latin-1"))
        if fetch_site and method not in ("GET", "HEAD") and fetch_site not in (b"same-origin", b"none"):
            raise AccessDenied("a page of another site sent this request: only this server's own pages may")

    def _check_server(self, server: str) -> None:
        if not is_loopback(server):
            raise AccessDenied(
                f"this server has no tokens and was reached at {server}: connect over loopback, or let the "
                "administrator set DRIFTLINE_ALLOW_ANONYMOUS=true"
            )
        self._known_servers.add(server)

    def _check_host(self, host: bytes) -> None:
        name = _host_name(host.decode("latin-1"))
        if name not in self._own_names and not _is_loopback_name(name):
            raise AccessDenied(
                f"host {name[:80]!r} is not this server's: expected localhost, a loopback address or the host of "
                "DRIFTLINE_PUBLIC_URL"
            )
        if len(self._known_hosts) < 64:  # a cache, bounded: clients choose the port in it
            self._known_hosts.add(host)

    def _check_origin(self, origin: str, *, host: str) -> None:
        sent_from = origin.lower().partition("://")[2]  # "null" has none
        if not sent_from or sent_from not in (host.lower(), self._public_origin):
            raise AccessDenied(f"origin {origin[:80]!r} is another site: its pages may not call this server")


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_loopback_name(name: str) -> bool:
    if name.endswith(".localhost"):  # RFC 6761, section 6.3: always loopback
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
