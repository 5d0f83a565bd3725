"""Routes of the contract that a later release brings: each answers 501 with its name, none is accepted and ignored."""

from __future__ import annotations

import re

from starlette.requests import Request

from monitor.api.access import API
from monitor.api.routing import Operation, V
from monitor.model.errors import NotAvailableYet

# what it is → its methods and paths
LATER: dict[str, tuple[str, ...]] = {
    "comparison of versions": (f"GET {V}/compare",),
    "reports": (f"GET {V}/report",),
    "suggested checks": (f"GET {V}/suggest-checks",),
    "actions": (
        f"GET {API}/actions", f"GET {API}/actions/{{action}}", f"POST {API}/actions/{{action}}/retry",
        f"POST {API}/actions/{{action}}/cancel", f"POST {API}/actions/{{action}}/approve",
    ),
}  # fmt: skip

_PLACE = re.compile(r"{([a-z]+)}")


def _operation(route: str, *, what: str) -> Operation:
    method, _, path = route.partition(" ")

    async def later(request: Request) -> None:
        raise NotAvailableYet(f"{what}: not available yet; a later release brings it")

    return Operation(
        method=method, path=path, endpoint=later, summary=f"Not available yet: {what}", tag="later",
        answers={501: "not available yet"}, parameters=tuple(
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PLACE.findall(path)
        ),
    )  # fmt: skip


OPERATIONS = tuple(_operation(route, what=what) for what, routes in LATER.items() for route in routes)
