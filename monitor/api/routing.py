"""How a route is registered: one operation, one role, no query parameter that nobody reads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from monitor.api.access import API, SHARED, UNMETERED, decide, role_of
from monitor.api.answer_shapes import JSON
from monitor.api.params import Page
from monitor.model.errors import InvalidInput
from monitor.model.names import nearest

PAGES_AT_ONCE = 2  # that are being made of one process: of rows, and of anything else
M = API + "/models/{model}"
V = M + "/versions/{version}"

_PROBLEM = {
    "description": "what is wrong, as RFC 9457 says it",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path: who serves it, and what the docs say.

    ``answers`` are descriptions by status; ``body`` is the JSON Schema of the request body, without which the request
    may come where ``bodyless`` says so; ``parameters`` are
    OpenAPI parameter objects of what the endpoint reads from the query by itself. ``gives`` are the media types of the
    answer when it is no problem, ``shape`` is its JSON Schema where it is JSON. A page of ``rows`` may be slow to make.
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    summary: str
    tag: str
    answers: dict[int, str] = field(default_factory=lambda: {200: "as asked"})
    body: dict[str, Any] | None = None
    bodyless: bool = False
    parameters: tuple[dict[str, Any], ...] = ()
    gives: tuple[str, ...] = (JSON,)
    shape: dict[str, Any] = field(default_factory=lambda: {"type": "object"})
    rows: bool = False


def register(router: APIRouter, *, operations: Sequence[Operation]) -> None:
    """Adds every operation to the router, each behind its role."""
    router.route_class = GuardedRoute
    places = {rows: asyncio.Semaphore(PAGES_AT_ONCE) for rows in (False, True)}
    for operation in operations:
        first = next(iter(operation.answers))
        extra: dict[str, Any] = {"security": _security(operation)}
        if operation.body is not None:
            extra["requestBody"] = {"required": not operation.bodyless, "content": operation.body}
        if operation.parameters:
            extra["parameters"] = list(operation.parameters)
        endpoint = limited(operation.endpoint, places=places[operation.rows])
        router.add_api_route(
            operation.path, endpoint, methods=[operation.method], summary=operation.summary,
            tags=[operation.tag], status_code=first, response_description=operation.answers[first],
            response_model=None, response_class=Response, responses=_responses(operation), openapi_extra=extra,
            operation_id=_operation_id(operation),
        )  # fmt: skip


def _responses(operation: Operation) -> dict[int | str, dict[str, Any]]:
    """What each answer is: a problem, nothing, or what the operation gives."""
    schemas = {media: operation.shape if media.endswith("json") else {"type": "string"} for media in operation.gives}
    content = {media: {"schema": schema} for media, schema in schemas.items()}
    responses: dict[int | str, dict[str, Any]] = {"default": _PROBLEM}
    for status, text in operation.answers.items():
        if status >= 400:
            responses[status] = _PROBLEM | {"description": text}
        else:
            responses[status] = {"description": text} | ({"content": content} if status < 204 else {})
    return responses


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """The role that a token needs (OpenAPI 3.1, Security Requirement Object); none for what is open."""
    role = role_of(operation.method, path=operation.path)
    return [] if role == "open" else [{"bearer": [role]}]


def limited(endpoint: Callable[..., Any], *, places: asyncio.Semaphore) -> Callable[..., Any]:
    """The endpoint; where it makes a page, as many at a time as there are places.

    A page of 10,000 results is some 50 MB while it is made, and threads there are forty. Those that wait hold none. The
    place is free again before the page is sent.
    """
    if Page not in (p.annotation for p in inspect.signature(endpoint, eval_str=True).parameters.values()):
        return endpoint

    @wraps(endpoint)
    async def one_of_few(**given: Any) -> Any:
        async with places:
            return await run_in_threadpool(endpoint, **given)

    return one_of_few


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI ``content`` of a JSON body."""
    return {JSON: {"schema": schema}}


def _operation_id(operation: Operation) -> str:
    words = operation.path.removeprefix(API).replace("{", "").replace("}", "").replace(".", "_").replace("-", "_")
    return f"{operation.method.lower()}{words.replace('/', '_')}"


class GuardedRoute(APIRoute):
    """A route of FastAPI that decides access first, and refuses query parameters it does not know."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self._method = next(iter(self.methods or ()))
        self.role = role_of(self._method, path=path)
        self._shared = f"{self._method} {path}" in SHARED
        self._metered = self.role != "open" and f"{self._method} {path}" not in UNMETERED
        by_hand = [p["name"] for p in (self.openapi_extra or {}).get("parameters", ()) if p["in"] == "query"]
        self._known = frozenset([*by_hand, *_query_names(self.dependant)])
        self._strict = path.startswith(API) and self.status_code != 501

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request of this route."""
        if scope["method"] == self._method:
            model = scope["path_params"].get("model")
            decide(self.role, caller=scope["caller"], model=model, shared=self._shared)
            if self._metered and scope["caller"].meter is not None:
                scope["caller"].meter.count_request()
            if self._strict and scope["query_string"]:
                refuse_unknown(scope["query_string"], known=self._known)
        await super().handle(scope, receive, send)


class HotRoute(Route):
    """A plain Starlette route, half the cost: only access and quota are decided before the endpoint."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, method: str) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.role = role_of(method, path=path)
        self._method = method

    def takes(self, scope: Scope) -> bool:
        """Whether the request is for this route, which is then noted in its scope.

        What ``matches`` says, without its conversions: the names in these paths are texts that nothing converts.
        """
        if scope["method"] != self._method:
            return False
        if scope.get("root_path"):  # is taken off the path there
            match, found = self.matches(scope)
            scope.update(found)
            return match is Match.FULL
        names = self.path_regex.match(scope["path"])
        if names is None:
            return False
        scope["path_params"] = names.groupdict()
        return True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request of this route."""
        scope["route"] = self
        if scope["method"] != self._method:
            await super().handle(scope, receive, send)
            return
        caller = scope["caller"]
        decide(self.role, caller=caller, model=scope["path_params"]["model"])
        meter = scope["meter"] = caller.meter
        if meter is not None:
            meter.count_request()
        await self.app(scope, receive, send)


def refuse_unknown(query: bytes, *, known: frozenset[str]) -> None:
    """Nothing, or ``InvalidInput`` for the first parameter that nobody would read."""
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise InvalidInput(
                f"query parameter {name[:40]!r} is not known here{nearest(name, known)}: expected {expected}",
                code="parameter",
            )


def _query_names(dependant: Any) -> list[str]:
    names = [parameter.alias for parameter in dependant.query_params]
    for inner in dependant.dependencies:
        names += _query_names(inner)
    return names
