"""Tokens that the administrator lists in a file: for what is configured from outside, such as a Kubernetes Secret."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from monitor.model.errors import ConfigurationError, InvalidInput
from monitor.model.grants import Grant, digest_of
from monitor.model.quota import quota_of
from monitor.model.time import parse_instant
from monitor.server_file import checked_mapping, read_yaml

LEAST_CHARACTERS = 32
MOST_TOKENS = 1_000
_log = logging.getLogger(__name__)
_KEYS = ("name", "role", "token_file", "sha256", "models", "expires", "quota")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToken:
    """A token of the file: what it allows, and its hash."""

    grant: Grant
    digest: bytes


class TokensFile:
    """The tokens of the file as they are now: it, and the files it names, are read again when they change.

    What cannot be read at the start stops it. Later it is logged, and what was read last stays in force.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: tuple[Path, ...] = ()
        self.tokens: tuple[FileToken, ...] = ()
        self._read()
        self._seen = self._state()

    def look(self) -> None:
        """Reads again what has changed."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._read()
            self._seen = self._state()  # it may name other files now
        except ConfigurationError as error:
            _log.error("the tokens file was not read again, what it said before stays in force: %s", error)

    def _state(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state_of(path) for path in (self._path, *self._secrets))

    def _read(self) -> None:
        where = f"tokens file {self._path}"
        listed = checked_mapping(read_yaml(self._path), known=("tokens",), where=where).get("tokens")
        if not isinstance(listed, list) or len(listed) > MOST_TOKENS:
            raise ConfigurationError(f"{where}: tokens: expected a list of at most {MOST_TOKENS}")
        shapes = [checked_mapping(s, known=_KEYS, where=f"{where}: token {n}") for n, s in enumerate(listed, 1)]
        tokens = tuple(_token(s, where=f"{where}: token {n}", base=self._path.parent) for n, s in enumerate(shapes, 1))
        names = [token.grant.name for token in tokens]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{where}: the name {twice!r} is there twice: expected a name for each token")
        self.tokens = tokens
        self._secrets = tuple(self._path.parent / s["token_file"] for s in shapes if "token_file" in s)


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _token(shape: dict[str, Any], *, where: str, base: Path) -> FileToken:
    models = shape.get("models", [])
    if not isinstance(models, list):
        raise ConfigurationError(f"{where}: models is {models!r}: expected a list of names and patterns")
    name, role = shape.get("name"), shape.get("role")
    if not isinstance(name, str) or not isinstance(role, str):
        raise ConfigurationError(f"{where}: expected a name and a role, both text")
    try:
        expires_us = _expiry(shape["expires"]) if "expires" in shape else None
        quota = quota_of(shape.get("quota"))
        grant = Grant(name=name, role=role, models=tuple(models), expires_us=expires_us, quota=quota)  # type: ignore[arg-type]  # Grant checks the role
    except InvalidInput as error:
        raise ConfigurationError(f"{where}: {error.detail}") from None
    return FileToken(grant=grant, digest=_digest(shape, where=where, base=base))


def _expiry(value: Any) -> int:
    """The instant of a date, a date-time or a text; YAML makes the first two by itself."""
    if isinstance(value, date | datetime):
        value = value.isoformat()
    if not isinstance(value, str):
        raise InvalidInput(f"expires is {value!r}: expected a date such as 2027-01-01")
    return parse_instant(value, name="expires")


def _digest(shape: dict[str, Any], *, where: str, base: Path) -> bytes:
    hashed, path = shape.get("sha256"), shape.get("token_file")
    if (hashed is None) == (path is None):
        raise ConfigurationError(f"{where}: expected one of token_file (a path) and sha256 (64 hexadecimal digits)")
    if path is None:
        if not isinstance(hashed, str) or re.fullmatch(r"[0-9a-fA-F]{64}", hashed) is None:
            raise ConfigurationError(
                f"{where}: sha256: expected the 64 hexadecimal digits of the token's SHA-256, quoted"
            )
        return bytes.fromhex(hashed)
    if not isinstance(path, str):
        raise ConfigurationError(f"{where}: token_file is {path!r}: expected a path")
    try:
        token = (base / path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{where}: token_file {path}: expected a readable text file ({error})") from None
    if len(token) < LEAST_CHARACTERS or re.fullmatch(r"[!-~]+", token) is None:
        raise ConfigurationError(
            f"{where}: token_file {path}: expected one line of at least {LEAST_CHARACTERS} printable ASCII characters "
            "without spaces, from a random generator (such as: openssl rand -hex 32)"
        )
    return digest_of(token)
