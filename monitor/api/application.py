"""The FastAPI application: every operation, one error handler, the edge around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.api import (
    alertmanager,
    alerts,
    backup,
    configuration,
    docs,
    drills,
    erasures,
    evaluation,
    explanations,
    handling,
    health,
    holds,
    later,
    marks,
    models,
    predictions,
    profiles,
    quarantine,
    records,
    references,
    results,
    runbooks,
    silences,
    simulate,
    status,
    tokens,
    versions,
    windows,
)  # fmt: skip
from monitor.api.doorkeeper import Doorkeeper
from monitor.api.edge import Edge, EdgeLimits
from monitor.api.problem import HANDLED, handle
from monitor.api.routing import HotRoute, Operation, register
from monitor.api.services import Services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
# FastAPI traces by itself where OpenTelemetry is set up, and its spans have paths and queries in them.
_NONE_OF_ITS_OWN: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}

OPERATIONS: tuple[Operation, ...] = (
    *models.OPERATIONS,
    *holds.OPERATIONS,
    *erasures.OPERATIONS,
    *simulate.OPERATIONS,
    *versions.OPERATIONS,
    *references.OPERATIONS,
    *configuration.OPERATIONS,
    *results.OPERATIONS,
    *profiles.OPERATIONS,
    *windows.OPERATIONS,
    *marks.OPERATIONS,
    *status.OPERATIONS,
    *records.OPERATIONS,
    *quarantine.OPERATIONS,
    *evaluation.OPERATIONS,
    *explanations.OPERATIONS,
    *alerts.OPERATIONS,
    *handling.OPERATIONS,
    *silences.OPERATIONS,
    *alertmanager.OPERATIONS,
    *drills.OPERATIONS,
    *tokens.OPERATIONS,
    *backup.OPERATIONS,
    *health.OPERATIONS,
    *docs.OPERATIONS,
    *runbooks.OPERATIONS,
    *later.OPERATIONS,
)


def build_application(services: Services, *, lifespan: Lifespan) -> FastAPI:
    """The server's application with every route of this release, closed by default."""
    return _application(
        services, lifespan=lifespan, operations=OPERATIONS, hot=predictions.hot_routes(services)
    )  # fmt: skip


def build_worker(services: Services, *, lifespan: Lifespan) -> FastAPI:
    """What a process without the HTTP interface still answers: whether it lives, is ready, and its metrics."""
    return _application(services, lifespan=lifespan, operations=health.OPERATIONS)


def _application(
    services: Services, *, lifespan: Lifespan, operations: Sequence[Operation], hot: Sequence[HotRoute] = ()
) -> FastAPI:
    application = Application(services, lifespan=lifespan, hot=hot)
    for error in HANDLED:
        application.add_exception_handler(error, handle)
    register(application.router, operations=operations)
    return application


class Application(FastAPI):
    """FastAPI behind the edge, and beside it the hot routes, which go through none of its layers."""

    def __init__(self, services: Services, *, lifespan: Lifespan, hot: Sequence[HotRoute]) -> None:
        super().__init__(
            title="Driftline", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None,
            redirect_slashes=False, telemetry=_NONE_OF_ITS_OWN,
        )  # fmt: skip
        self.state.services = services
        self.router.routes.extend(hot)  # for who lists the routes; requests reach them by the fork
        settings = services.settings
        self._edge = Edge(
            Fork(super().__call__, hot=hot),
            limits=EdgeLimits(
                body_bytes=settings.max_body_bytes,
                reference_bytes=settings.max_reference_bytes,
                body_seconds=settings.max_body_seconds,
            ),
            doorkeeper=Doorkeeper(
                host=settings.host,
                public_url=settings.public_url,
                allow_anonymous=settings.allow_anonymous,
                keys=services.keyring,
            ),
            requests=services.telemetry.requests,
            tracer=services.telemetry.tracer,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything comes in by the edge."""
        await self._edge(scope, receive, send)


class Fork:
    """Sends a request to its hot route if it has one, and everything else to the rest of the application."""

    def __init__(self, rest: ASGIApp, *, hot: Sequence[HotRoute]) -> None:
        self._rest = rest
        self._hot = tuple(hot)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request passed on."""
        if scope["type"] == "http" and scope["path"].endswith("/predictions"):
            for route in self._hot:
                if route.takes(scope):
                    await route.handle(scope, receive, send)
                    return
        await self._rest(scope, receive, send)
