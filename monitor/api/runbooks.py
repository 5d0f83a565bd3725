"""``/runbooks``: a page for each shipped alert, rendered from the Markdown that is in the package."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files

from markdown_it import MarkdownIt
from markdown_it.token import Token
from starlette.requests import Request
from starlette.responses import Response

from monitor.api.answer_shapes import HTML
from monitor.api.docs import HEADERS, STYLE
from monitor.api.routing import Operation
from monitor.model.errors import NotFound
from monitor.model.names import nearest

INDEX = "README"


def runbook_names() -> tuple[str, ...]:
    """The alerts that have a page, sorted."""
    pages = (files("monitor") / "runbooks").iterdir()
    names = (page.name.removesuffix(".md") for page in pages if page.name.endswith(".md"))
    return tuple(sorted(name for name in names if name != INDEX))


def get_runbooks(request: Request) -> Response:
    """The index of the pages."""
    return _answer(request, name=INDEX)


def get_runbook(request: Request, alert: str) -> Response:
    """The page of one alert; 404 names the nearest."""
    names = runbook_names()
    if alert not in names:
        raise NotFound(f"alert {alert[:80]!r} has no runbook{nearest(alert, names)}: the index is at /runbooks")
    return _answer(request, name=alert)


def _answer(request: Request, *, name: str) -> Response:
    text = (files("monitor") / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    root = request.scope.get("root_path", "")
    title = "Runbooks" if name == INDEX else name
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f'<p><a href="{escape(root)}/runbooks">Runbooks</a></p>{render_runbook(text, root=root)}</body></html>'
    )
    return Response(page, headers=HEADERS, media_type="text/html; charset=utf-8")


def render_runbook(text: str, *, root: str) -> str:
    """A page's Markdown (CommonMark and tables, no raw HTML) as HTML; its links to other pages lead to these routes.

    >>> render_runbook("[stale](DriftlineModelStale.md)", root="/drift")
    '<p><a href="/drift/runbooks/DriftlineModelStale">stale</a></p>\\n'
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for link in _links(tokens):
        target = str(link.attrGet("href") or "")
        if target.endswith(".md") and "/" not in target:
            link.attrSet("href", f"{root}/runbooks/{target.removesuffix('.md')}")
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _links(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                yield child


OPERATIONS = (
    Operation(method="GET", path="/runbooks", endpoint=get_runbooks, summary="The runbooks of the shipped alerts",
              tag="service", answers={200: "HTML"}, gives=(HTML,)),
    Operation(method="GET", path="/runbooks/{alert}", endpoint=get_runbook, summary="What one alert means and asks for",
              tag="service", answers={200: "HTML", 404: "no alert of that name"}, gives=(HTML,)),
)  # fmt: skip
