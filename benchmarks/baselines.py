"""What ingest is held against: the least that a Starlette endpoint can do."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def nothing(request: Request) -> Response:
    """Reads the body and answers: the least that a Starlette endpoint can do."""
    await request.body()
    return Response(b"{}", media_type="application/json")


noop = Starlette(routes=[Route("/", nothing, methods=["POST"])])
