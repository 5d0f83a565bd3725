"""Errors, named by whose fault they are; each carries the HTTP status that says so.

DriftlineError
├── ClientError            the caller must change something
│   ├── Malformed          400  the body is not what its content type says
│   ├── AccessDenied       403
│   │   └── Unauthenticated 401  no token, or none that opens anything
│   ├── NotFound           404
│   ├── TooSlow            408  the body did not arrive in time
│   ├── Conflict           409
│   │   ├── Taken          409  there is one of that name already
│   │   ├── Held           409  the model is under a legal hold: nothing of it may be removed
│   │   └── ProfilesMerged 409  the range has a part of a span only that is one profile by now
│   ├── PreconditionFailed 412
│   ├── TooLarge           413
│   ├── UnsupportedMedia   415
│   ├── InvalidInput       422  readable, and not acceptable
│   └── QuotaExceeded      429
├── NotAvailableYet        501  a named part that this release does not have
├── Unavailable            503  try again after ``retry_after_seconds``
│   └── FlushFailed        503  the disk did not take what was written: the process stops acknowledging and ends
├── FenceLost              a job's claim was taken over: roll back, somebody else finishes
└── ConfigurationError     the process cannot start like this; says the remedy
"""

from __future__ import annotations

from typing import Any


class DriftlineError(Exception):
    """The root of every error this package raises on purpose."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, *, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []


class ClientError(DriftlineError):
    """The request is at fault; nothing was stored."""

    status = 400
    title = "Bad request"


class Malformed(ClientError):
    """The body cannot be read as its content type."""

    status = 400
    title = "Malformed request"


class AccessDenied(ClientError):
    """Not allowed; ``code`` says what is missing: ``role``, ``models``, or what no honest client sends."""

    status = 403
    title = "Access denied"

    def __init__(self, detail: str, *, code: str = "access_denied") -> None:
        super().__init__(detail)
        self.code = code


class Unauthenticated(AccessDenied):
    """Nobody known: no token, or one that is unknown, expired or revoked; the answer does not say which."""

    status = 401
    title = "Token needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="unauthenticated")


class NotFound(ClientError):
    """What the path names does not exist."""

    status = 404
    title = "Not found"


class TooSlow(ClientError):
    """The body did not arrive within its deadline."""

    status = 408
    title = "Request timeout"


class Conflict(ClientError):
    """The request contradicts what is stored or in flight."""

    status = 409
    title = "Conflict"

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Taken(Conflict):
    """What was to be made is there already, by that name."""


class Held(Conflict):
    """A legal hold forbids to remove what was asked to be removed."""

    title = "Legal hold"
    code = "legal_hold"


class ProfilesMerged(Conflict):
    """A range cuts a span in two that is profiled as one by now."""

    title = "Profiles merged"
    code = "profiles_merged"


class PreconditionFailed(ClientError):
    """``If-Match`` names a revision that is no longer current."""

    status = 412
    title = "Precondition failed"


class TooLarge(ClientError):
    """A limit with a name was passed."""

    status = 413
    title = "Too large"


class UnsupportedMedia(ClientError):
    """Unknown content type or encoding."""

    status = 415
    title = "Unsupported media type"


class InvalidInput(ClientError):
    """Readable, but not acceptable; ``code`` is stable for programs."""

    status = 422
    title = "Invalid input"

    def __init__(self, detail: str, *, code: str = "invalid", errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail, errors=errors)
        self.code = code


class QuotaExceeded(ClientError):
    """The caller's quota is used up until ``retry_after_seconds`` have passed."""

    status = 429
    title = "Quota exceeded"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class NotAvailableYet(DriftlineError):
    """A part of the contract that this release does not bring; never accepted and ignored."""

    status = 501
    title = "Not available yet"


class Unavailable(DriftlineError):
    """The server cannot do it now; the same request may succeed later."""

    status = 503
    title = "Unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class FlushFailed(Unavailable):
    """The operating system could not bring to disk what was written; what it says from here on cannot be believed."""


class FenceLost(DriftlineError):
    """Another process took this work over; the transaction must roll back."""


class ConfigurationError(DriftlineError):
    """The process must not start; the message names setting, value, expectation and remedy."""
