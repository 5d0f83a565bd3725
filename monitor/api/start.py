"""Before a server listens: may it, and does it need its first token."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from monitor.api.doorkeeper import is_loopback
from monitor.model.errors import ConfigurationError
from monitor.model.grants import Grant, digest_of, new_token
from monitor.server_file import read_server_file
from monitor.settings import Settings
from monitor.store import Store
from monitor.store.tokens import any_token, insert_first_token
from monitor.tokens_file import TokensFile

TOKEN_FILE = "admin-token"  # noqa: S105 - the name of the file
_log = logging.getLogger(__name__)


def in_container(environment: Mapping[str, str], *, root: Path = Path("/")) -> bool:
    """Whether this process runs in a container, as Docker, podman, systemd-nspawn and Kubernetes let it know."""
    marks = (root / ".dockerenv", root / "run" / ".containerenv")
    return (
        bool(environment.get("container"))
        or "KUBERNETES_SERVICE_HOST" in environment
        or any(mark.exists() for mark in marks)
    )


def has_tokens(settings: Settings, *, store: Store) -> bool:
    """Whether every request will need a token: one was made, or the administrator's file lists one."""
    listed = read_server_file(settings.config).tokens_file
    if listed is not None and TokensFile(listed).tokens:
        return True
    with store.read() as conn:
        return any_token(conn)


def check_binding(host: str, *, tokens: bool, allow_anonymous: bool) -> None:
    """Nothing, or ``ConfigurationError`` with the remedy: without tokens only this machine may connect."""
    if not tokens and not allow_anonymous and not is_loopback(host):
        raise ConfigurationError(
            f"host {host!r} is reachable from other machines, and there is no token yet: anybody could read and write. "
            "Start on 127.0.0.1 and make one with driftline tokens create --role admin, or list one in the tokens file "
            "that DRIFTLINE_CONFIG names; or set DRIFTLINE_ALLOW_ANONYMOUS=true if a proxy or the network itself keeps "
            "strangers out"
        )


def secure(settings: Settings, *, store: Store, makes_token: bool, now_us: Callable[[], int]) -> str | None:
    """The first admin token, where this start made one; ``ConfigurationError`` where the server may not listen.

    ``makes_token``: it runs in a container, where nobody could come over loopback to make the first.
    """
    if is_loopback(settings.host):
        return None
    tokens = has_tokens(settings, store=store)
    if tokens and settings.allow_anonymous:
        _log.warning("DRIFTLINE_ALLOW_ANONYMOUS has no effect: there are tokens, and every request needs one")
    if not tokens and makes_token and not settings.allow_anonymous:
        made = _first_token(store, path=settings.data_dir / TOKEN_FILE, now_us=now_us())
        tokens = made is not None or has_tokens(settings, store=store)  # of several at once another one made it
        if made is not None:
            return made
    check_binding(settings.host, tokens=tokens, allow_anonymous=settings.allow_anonymous)
    return None


def _first_token(store: Store, *, path: Path, now_us: int) -> str | None:
    """The token, in its file before it is in force: one that nobody has seen would lock everybody out."""
    token = new_token()
    with store.write() as conn:
        grant = Grant(name="first-admin", role="admin")
        if insert_first_token(conn, grant, digest=digest_of(token), now_us=now_us) is None:
            return None
        _write_secret(path, token)
    return token


def _write_secret(path: Path, token: str) -> None:
    """Writes the file anew, for this user alone, whoever else may write in the directory."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"the first admin token cannot be written to {path} ({error}): make DRIFTLINE_DATA_DIR writable, or list a "
            "token in the tokens file that DRIFTLINE_CONFIG names"
        ) from None
