"""The hot routes: plain Starlette, no FastAPI between the edge and ingest."""

from __future__ import annotations

from monitor.api.routing import HotRoute, M, V
from monitor.api.services import Services


def hot_routes(services: Services) -> list[HotRoute]:
    """``POST …/predictions`` of a version and of a model's newest live version, and ``POST …/labels`` of a model."""
    endpoint = services.ingest  # an ASGI application itself: no request and response objects to make
    return [
        HotRoute(f"{V}/predictions", endpoint, method="POST"),
        HotRoute(f"{M}/predictions", endpoint, method="POST"),
        HotRoute(f"{M}/labels", services.ingest.labels, method="POST"),
    ]
