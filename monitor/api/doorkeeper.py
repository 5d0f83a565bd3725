"""Turns away at the door what no honest client of this server sends, and says who the others are."""

from __future__ import annotations

import ipaddress
import socket
from typing import Protocol
from urllib.parse import urlsplit

from monitor.api.access import EVERYBODY, Caller
from monitor.model.errors import AccessDenied


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


class Keys(Protocol):
    """What knows the tokens."""

    @property
    def needed(self) -> bool:
        """Whether there are tokens, so that every request needs one."""

    def identify(self, authorization: bytes) -> Caller:
        """Who sent this header (empty: none)."""


class NoKeys:
    """No tokens: everybody who reaches the server may do everything."""

    needed = False

    def identify(self, authorization: bytes) -> Caller:
        """Everybody, whatever the header says."""
        return EVERYBODY


class Doorkeeper:
    """Turns away what no honest client of this server sends: other sites in a browser, and strangers.

    Loopback without a token is open to every page in the user's browser, unless its requests are told apart:
    by ``Host`` (a rebound name of another site, https://owasp.org/www-community/attacks/DNS_Rebinding), by
    ``Origin`` and by ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/).
    """

    def __init__(self, *, host: str, public_url: str | None, allow_anonymous: bool, keys: Keys | None = None) -> None:
        public = urlsplit(public_url or "")
        self._keys: Keys = keys or NoKeys()
        self._allow_anonymous = allow_anonymous
        self._public_origin = public.netloc.lower()
        self._own_names = {"", "localhost", host.lower().strip("[]"), (public.hostname or "").lower()}
        self._known_hosts: set[bytes] = set()
        self._known_servers: set[str] = set()

    def admit(
        self, *, method: str, host: bytes, origin: bytes, fetch_site: bytes, server: str | None, authorization: bytes
    ) -> Caller:
        """Who it is, or ``AccessDenied`` that says why not. ``server`` is the address the connection came in on.

        Where tokens are needed the name and the address are no protection and no hindrance any more.
        """
        if not self._allow_anonymous and not self._keys.needed:
            if server is not None and server not in self._known_servers:
                self._check_server(server)
            if host not in self._known_hosts:
                self._check_host(host)
        if origin:
            self._check_origin(origin.decode("latin-1"), host=host.decode("latin-1"))
        if fetch_site and method not in ("GET", "HEAD") and fetch_site not in (b"same-origin", b"none"):
            raise AccessDenied("a page of another site sent this request: only this server's own pages may")
        return self._keys.identify(authorization)

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
