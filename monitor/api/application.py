"""The FastAPI application: every operation, one error handler, the edge around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI

from monitor.api import (
    alerts,
    docs,
    evaluation,
    health,
    later,
    models,
    predictions,
    profiles,
    results,
    versions,
    windows,
)  # fmt: skip
from monitor.api.access import Doorkeeper
from monitor.api.edge import Edge, EdgeLimits
from monitor.api.problem import HANDLED, handle
from monitor.api.routing import Operation, register
from monitor.api.services import Services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

OPERATIONS: tuple[Operation, ...] = (
    *models.OPERATIONS,
    *versions.OPERATIONS,
    *results.OPERATIONS,
    *profiles.OPERATIONS,
    *windows.OPERATIONS,
    *evaluation.OPERATIONS,
    *alerts.OPERATIONS,
    *health.OPERATIONS,
    *docs.OPERATIONS,
    *later.OPERATIONS,
)


def build_application(services: Services, *, lifespan: Lifespan) -> FastAPI:
    """The server's application with every route of this release, closed by default."""
    application = _application(services, lifespan=lifespan, operations=OPERATIONS)
    # first in the list: matched before anything else
    application.router.routes[:0] = predictions.hot_routes(services)
    return application


def build_worker(services: Services, *, lifespan: Lifespan) -> FastAPI:
    """What a process without the HTTP interface still answers: whether it lives, is ready, and its metrics."""
    return _application(services, lifespan=lifespan, operations=health.OPERATIONS)


def _application(services: Services, *, lifespan: Lifespan, operations: Sequence[Operation]) -> FastAPI:
    application = Application(services, lifespan=lifespan)
    for error in HANDLED:
        application.add_exception_handler(error, handle)
    register(application.router, operations=operations)
    return application


class Application(FastAPI):
    """FastAPI with the edge outside of everything else."""

    def __init__(self, services: Services, *, lifespan: Lifespan) -> None:
        super().__init__(
            title="Driftline", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None,
            redirect_slashes=False,
        )  # fmt: skip
        self.state.services = services
        settings = services.settings
        self._edge: dict[str, Any] = {
            "limits": EdgeLimits(body_bytes=settings.max_body_bytes, reference_bytes=settings.max_reference_bytes),
            "doorkeeper": Doorkeeper(
                host=settings.host, public_url=settings.public_url, allow_anonymous=settings.allow_anonymous
            ),
            "requests": services.telemetry.requests,
        }

    def build_middleware_stack(self) -> Edge:
        """FastAPI's own layers inside the edge: what they do not catch, it answers."""
        return Edge(super().build_middleware_stack(), **self._edge)
