"""``driftline erase``: what is stored under some ids, out of a model."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.models import Model
from monitor.cli.output import print_json, print_table
from monitor.cli.server import Json, Server, ServerRefused, Token, Url, model_path
from monitor.model.errors import InvalidInput

AT_ONCE = 10_000
_COLUMNS = ("id", "state", "ids", "records", "labels", "quarantined", "asked", "finished", "by", "reason")
_EVERY_SECONDS = 1.0


def erase(
    model: Model,
    ids: Annotated[Path, typer.Option(help="a file with one id a line ('-': standard input)")],
    reason: Annotated[str, typer.Option(help="why; name nobody, it is kept")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="until it is done")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Erases what is stored under the ids: records, labels, and what waits in quarantine. Counts stay.

    Example: driftline erase churn --ids forgotten.txt --reason "request 2026-114"
    """
    text = sys.stdin.read() if str(ids) == "-" else ids.read_text(encoding="utf-8")
    named = list(dict.fromkeys(line for line in text.splitlines() if line))
    if not named:
        raise InvalidInput(f"--ids {ids}: no id in it; expected one a line")
    with Server(url=url, token=token) as server:
        made = []
        for first in range(0, len(named), AT_ONCE):
            body = {"ids": named[first : first + AT_ONCE], "reason": reason}
            made.append(server.call("POST", model_path(model, "erase"), json=body, repeat=True).json())
        shown = [_done(server, model, one) for one in made] if wait else made
    if as_json:
        print_json(shown)
    else:
        print_table(shown, columns=_COLUMNS)


def _done(server: Server, model: str, made: dict[str, Any]) -> dict[str, Any]:
    """The erasure when it is done; refused where its job failed for good."""
    while True:
        now: dict[str, Any] = server.call("GET", model_path(model, "erasures", made["id"])).json()
        if now["state"] == "failed":
            raise ServerRefused(f"{made['id']} failed: {now['error'] or 'see the log of the worker'}")
        if now["state"] == "done":
            return now
        time.sleep(_EVERY_SECONDS)
