"""``/docs``: one self-contained page made from the OpenAPI document; no script, no font, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.api.access import API, ROLES
from monitor.api.answer_shapes import HTML
from monitor.api.openapi import openapi_document
from monitor.api.render import answer
from monitor.api.routing import Operation

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
.method { display: inline-block; width: 4.5em; font-weight: 700; }
.later { opacity: .55; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
"""
_TAGS = (
    "models", "versions", "references", "configuration", "ingest", "results", "alerts", "jobs", "tokens", "service",
    "later",
)  # fmt: skip


async def get_docs(request: Request) -> Response:
    """The page of every route, its parameters and its answers."""
    document = openapi_document(request.app)
    root = request.scope.get("root_path", "")
    return Response("".join(_page(document, root=root)), headers=HEADERS, media_type="text/html; charset=utf-8")


async def get_openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document."""
    return answer(openapi_document(request.app))


async def get_root(request: Request) -> Response:
    """Sends a person who opens the server in a browser to the docs."""
    return RedirectResponse(request.scope.get("root_path", "") + "/docs")


def _page(document: dict[str, Any], *, root: str) -> Iterator[str]:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
    yield f"<h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
    yield f'<p><a href="{escape(root + API)}/openapi.json">OpenAPI document</a> · '
    yield f'<a href="{escape(root)}/metrics">metrics</a> · <a href="{escape(root)}/readyz">readyz</a></p>'
    operations = [(o.get("tags", ["service"])[0], path, method, o)
                  for path, methods in document["paths"].items() for method, o in methods.items()]  # fmt: skip
    for tag in _TAGS:
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        for found, path, method, operation in operations:
            if found == tag:
                yield from _operation(operation, path=path, method=method.upper())
    yield "</body></html>"


def _operation(operation: dict[str, Any], *, path: str, method: str) -> Iterator[str]:
    later = ' class="later"' if "501" in operation["responses"] else ""
    role = ROLES.get(f"{method} {path}", "read")
    yield f'<details id="{escape(operation["operationId"])}"{later}><summary><span class="method">{method}</span>'
    yield f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>"
    if "description" in operation:
        yield f"<p>{escape(operation['description'])}</p>"
    yield f"<p>Role: <code>{role}</code></p>"
    yield from _parameters(operation.get("parameters", []))
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        yield f"<p>Body: {', '.join(f'<code>{escape(media_type)}</code>' for media_type in content)}</p>"
    yield "<table><tr><th>answer</th><th></th></tr>"
    for status, response in operation["responses"].items():
        yield f"<tr><td>{escape(status)}</td><td>{escape(response.get('description', ''))}</td></tr>"
    yield "</table></details>"


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if not parameters:
        return
    yield "<table><tr><th>parameter</th><th>in</th><th></th></tr>"
    for parameter in parameters:
        yield f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        yield f"<td>{escape(parameter.get('description', ''))}</td></tr>"
    yield "</table>"


OPERATIONS = (
    Operation(method="GET", path="/", endpoint=get_root, summary="The docs", tag="service",
              answers={307: "go to /docs"}),
    Operation(method="GET", path="/docs", endpoint=get_docs, summary="This page", tag="service",
              answers={200: "HTML"}, gives=(HTML,)),
    Operation(method="GET", path=f"{API}/openapi.json", endpoint=get_openapi, summary="The OpenAPI document",
              tag="service", answers={200: "OpenAPI 3.1"}),
)  # fmt: skip
