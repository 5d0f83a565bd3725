"""What a token allows: a role, the models it is limited to, until when, how much a minute.

Only the SHA-256 of a token is kept. That is enough, and a slow hash (bcrypt, argon2) would be wrong here: those make
guessing of passwords dear, and 256 random bits are never guessed, while every request would pay for it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Literal, get_args

from monitor.model.errors import InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.model.quota import Quota

Role = Literal["ingest", "metrics", "read", "write", "admin"]
ROLE_NAMES: tuple[Role, ...] = get_args(Role)
PREFIX = "dl_"  # what scanners for leaked secrets can look for
MAX_PATTERNS = 100
_PATTERN = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one token allows. ``models`` are name patterns (``churn*``), none: every model; ``expires_us`` exclusive."""

    name: str
    role: Role
    models: tuple[str, ...] = ()
    expires_us: int | None = None
    quota: Quota | None = None

    def __post_init__(self) -> None:
        valid_name(self.name, kind="token")
        if self.role not in ROLE_NAMES:
            raise InvalidInput(
                f"role {str(self.role)[:40]!r} is not one{nearest(str(self.role), ROLE_NAMES)}: expected "
                f"{', '.join(ROLE_NAMES)}", code="role",
            )  # fmt: skip
        if len(self.models) > MAX_PATTERNS:
            raise InvalidInput(
                f"models has {len(self.models)} patterns: expected at most {MAX_PATTERNS}", code="models"
            )
        for pattern in self.models:
            if not isinstance(pattern, str) or _PATTERN.fullmatch(pattern) is None:
                raise InvalidInput(
                    f"models has {str(pattern)[:40]!r}: expected a model's name or a pattern such as churn*",
                    code="models",
                )
        if self.models and self.role == "metrics":
            raise InvalidInput(
                "a token of role 'metrics' cannot be limited to models: /metrics shows every model in one page",
                code="models",
            )
        if self.quota is not None and self.role == "metrics":
            raise InvalidInput("a token of role 'metrics' has no quota: a scrape has its own rhythm", code="quota")

    @property
    def unlimited_admin(self) -> bool:
        """Whether it may make other tokens."""
        return self.role == "admin" and not self.models

    def sees(self, model: str) -> bool:
        """Whether it is for that model.

        >>> [Grant(name="t", role="read", models=("churn*",)).sees(m) for m in ("churn-eu", "fraud")]
        [True, False]
        """
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def live(self, now_us: int) -> bool:
        """Whether it has not expired.

        >>> [Grant(name="t", role="read", expires_us=5).live(now_us) for now_us in (4, 5)]
        [True, False]
        """
        return self.expires_us is None or now_us < self.expires_us


def new_token() -> str:
    """A new token: the prefix and 32 bytes from the operating system's generator, as URL-safe text."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str | bytes) -> bytes:
    """The SHA-256 of a token: 32 bytes, all that is kept of it.

    >>> digest_of("dl_x") == digest_of(b"dl_x"), len(digest_of(""))
    (True, 32)
    """
    return sha256(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token).digest()
