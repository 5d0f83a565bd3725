"""``driftline explain``: why a check of a judged window came out as it did."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.output import cell, print_json, print_table
from monitor.cli.server import Json, Server, ServerRefused, Token, Url, version_path
from monitor.explain.amounts import share_text


def explain(
    model: Model,
    version: Version,
    at: Annotated[
        str | None, typer.Option(help="a time in the window (RFC 3339) [default: the newest judged one]")
    ] = None,
    check: Annotated[str | None, typer.Option(help="which check [default: the worst]")] = None,
    column: Annotated[str | None, typer.Option(help="only this column")] = None,
    segment: Annotated[str | None, typer.Option(help="in this segment [default: all traffic]")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Why a check of a judged window came out as it did: columns, direction, since when, how unusual.

    Example: driftline explain churn 42 --at 2026-03-02T14:00:00Z
    """
    with Server(url=url, token=token) as server:
        start = at or _newest(server, model=model, version=version)
        asked = {"start": start, "check": check, "column": column, "segment": segment or None}
        body = {name: value for name, value in asked.items() if value is not None}
        answer = server.call("POST", version_path(model, version, "explain"), json=body, repeat=True).json()
    if as_json:
        print_json(answer)
        return
    print_explanation(answer)


def print_explanation(shown: dict[str, Any]) -> None:
    """Writes the sentences, and a line for each column behind them; a shape of ``GET /alerts/{id}``."""
    sys.stdout.write(cell(shown["explanation"]) + "\n")
    columns = [story for story in (shown["why"] or {}).get("columns", []) if story["column"]]
    if columns:
        sys.stdout.write("\n")
        print_table([_line(story) for story in columns], columns=("column", "status", "evidence", "what", "since"))


def _line(story: dict[str, Any]) -> dict[str, Any]:
    """A column in a table: its facts in words."""
    since = story["since"]
    return story | {
        "evidence": None if story["share"] is None else share_text(story["share"]),
        "what": "; ".join(fact["words"] for fact in story["facts"]) or None,
        "since": None if since is None else ("before " if since["kind"] == "before" else "") + since["window_start"],
    }


def _newest(server: Server, *, model: str, version: str) -> str:
    rows = server.call("GET", version_path(model, version, "results"), params={"latest": "true", "limit": 1}).json()
    if not rows["results"]:
        raise ServerRefused(f"no window of {model} {version} was judged yet: see driftline status {model} {version}")
    return str(rows["results"][0]["window_start"])
