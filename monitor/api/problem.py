"""Every error as ``application/problem+json`` (RFC 9457), from one table of what was raised."""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from monitor.api.access import ROLES
from monitor.api.render import encode_json
from monitor.api.request_log import REQUEST_ID
from monitor.model.errors import DriftlineError, Unauthenticated

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_HTTP_TITLES = {404: "Not found", 405: "Method not allowed"}


def problem(
    status: int,
    *,
    code: str,
    title: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """One problem document; ``code`` is stable for programs, ``detail`` is for people."""
    body: dict[str, Any] = {
        "type": f"urn:driftline:problem:{code}", "title": title, "status": status, "detail": detail, "code": code,
        "request_id": REQUEST_ID.get(),
    }  # fmt: skip
    if errors:
        body["errors"] = errors[:MAX_ERRORS]
    return Response(encode_json(body), status, headers, MEDIA_TYPE)


def answer_error(error: Exception) -> Response:
    """The answer to anything raised while a request was served; what nobody expected is logged and is a 500."""
    if isinstance(error, DriftlineError) and error.status != 500:
        return _answer_ours(error)
    if isinstance(error, HTTPException):
        return _answer_http(error)
    if isinstance(error, RequestValidationError):
        return _answer_validation(error)
    if isinstance(error, ClientDisconnect):
        # nobody reads this answer; it is counted and not logged as a fault of ours
        return problem(400, code="disconnected", title="Client disconnected", detail="the body ended before its end")
    number = uuid.uuid4().hex[:12]
    logger.error("unexpected error %s", number, exc_info=error)
    return problem(
        500, code="internal", title="Internal error",
        detail=f"an unexpected error, logged as {number}: nobody is told more here; look in the server's log",
    )  # fmt: skip


def _answer_ours(error: DriftlineError) -> Response:
    headers = {}
    retry_after = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    code = getattr(error, "code", None) or _WORD.sub("_", type(error).__name__).lower()
    return problem(
        error.status, code=code, title=error.title, detail=error.detail, errors=error.errors, headers=headers
    )


def _answer_http(error: HTTPException) -> Response:
    title = _HTTP_TITLES.get(error.status_code, "Refused")
    detail = {
        404: "no such route: expected one of those in /api/v1/openapi.json",
        405: f"the route does not take this method: expected {(error.headers or {}).get('Allow', 'another')}",
    }.get(error.status_code, str(error.detail))
    code = _WORD.sub("_", title.replace(" ", "_")).lower()
    return problem(
        error.status_code, code=code, title=title, detail=detail, headers=dict(error.headers) if error.headers else None
    )


def _answer_validation(error: RequestValidationError) -> Response:
    errors = []
    for found in error.errors():
        place, *path = (str(part) for part in found["loc"])
        field = ".".join(path) or place
        errors.append({"index": None, "field": field, "code": found["type"], "message": f"{place}: {found['msg']}"})
    first = errors[0]
    detail = f"{first['field']}: {first['message']}" + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else "")
    return problem(422, code="invalid", title="Invalid input", detail=detail, errors=errors)


async def handle(request: Request, error: Exception) -> Response:
    """The exception handler of the application, for every class in ``HANDLED``."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        path = getattr(request.scope.get("route"), "path", "")
        methods = sorted(key.partition(" ")[0] for key in ROLES if key.partition(" ")[2] == path)
        error = HTTPException(405, headers={"Allow": ", ".join(methods)})
    return answer_error(error)


HANDLED: tuple[type[Exception], ...] = (
    DriftlineError, HTTPException, RequestValidationError, ClientDisconnect, Exception,
)  # fmt: skip
