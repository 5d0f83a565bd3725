"""``/livez``, ``/readyz``, ``/metrics``: what orchestrators and Prometheus ask."""

from __future__ import annotations

import logging
from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from monitor.api.answer_shapes import TEXT, shape_of
from monitor.api.problem import problem
from monitor.api.readiness import look
from monitor.api.render import answer
from monitor.api.routing import Operation
from monitor.api.services import Parts
from monitor.export.process import OPENMETRICS, media_type

logger = logging.getLogger(__name__)


async def get_livez() -> Response:
    """The process serves requests."""
    return PlainTextResponse("ok\n")


async def get_readyz(services: Parts) -> Response:
    """Whether this process can do its work now, and if not why."""
    reasons = await to_thread.run_sync(look, services, limiter=services.probes)
    if not reasons:
        return answer({"ready": True, "reasons": [], "notes": [] if services.jobs is None else services.jobs.notes()})
    return problem(503, code="not_ready", title="Not ready", detail="; ".join(reasons), headers={"Retry-After": "5"})


async def get_metrics(request: Request, services: Parts) -> Response:
    """The page that Prometheus scrapes, in the format its ``Accept`` asks for."""
    content_type = media_type(request.headers.get("accept", ""))
    page = partial(services.exporter.page, openmetrics=content_type == OPENMETRICS)
    body = await to_thread.run_sync(page, limiter=services.probes)
    return Response(body, headers={"Content-Type": content_type})


OPERATIONS = (
    Operation(method="GET", path="/livez", endpoint=get_livez, summary="The process is alive", tag="service",
              answers={200: "alive"}, gives=(TEXT,)),
    Operation(method="GET", path="/readyz", endpoint=get_readyz, summary="The process can do its work", tag="service",
              answers={200: "ready", 503: "not ready, with the reasons"}, shape=shape_of("Ready")),
    Operation(method="GET", path="/metrics", endpoint=get_metrics, summary="Metrics for Prometheus", tag="service",
              answers={200: "text or OpenMetrics, by Accept"}, gives=(TEXT, "application/openmetrics-text")),
)  # fmt: skip
