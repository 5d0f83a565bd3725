"""``driftline windows``: listed, and marked healthy or not."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from monitor.cli.models import Model, Version
from monitor.cli.output import print_fields, print_json, print_table
from monitor.cli.results import From, To
from monitor.cli.server import Json, Token, Url, ask, listed, version_path
from monitor.model.errors import InvalidInput

windows = typer.Typer(no_args_is_help=True, help="Windows of a version: list, mark as healthy or not.")
_COLUMNS = ("start", "end", "state", "rows", "revision", "reference", "reason", "mark")

Start = Annotated[str, typer.Argument(help="when the window starts, as `driftline windows list` shows it")]


@windows.command("list")
def list_windows(
    model: Model,
    version: Version,
    from_: From = None,
    to: To = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """The version's windows, oldest first, with what was said of them.

    Example: driftline windows list churn 42 --from 2026-03-01
    """
    rows = listed(url, token, version_path(model, version, "windows"), params={"from": from_, "to": to})
    if as_json:
        print_json(rows)
        return
    print_table([row | {"mark": _short(row["mark"])} for row in rows], columns=_COLUMNS)


@windows.command("mark")
def mark_window(
    model: Model,
    version: Version,
    start: Start,
    healthy: Annotated[
        bool | None,
        typer.Option("--healthy/--not-healthy", help="what it was, whatever its verdicts", show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="why")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="take back what was said of it")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Says whether a window was healthy: thresholds are learned from those that were.

    Example: driftline windows mark churn 42 2026-03-02T12:00:00Z --healthy --reason "the spring sale"
    """
    path = version_path(model, version, "windows", quote(start, safe=""), "mark")
    if withdraw:
        if healthy is not None or reason is not None:
            raise InvalidInput("--withdraw takes back what was said: expected it without --healthy and --reason")
        ask(url, token, "DELETE", path, repeat=True)
        return
    if healthy is None:
        raise InvalidInput("say what the window was: --healthy or --not-healthy, with --reason; or --withdraw")
    said = ask(url, token, "PUT", path, json={"healthy": healthy, "reason": reason}, repeat=True).json()
    if as_json:
        print_json(said)
        return
    print_fields({"start": said["start"], **said["mark"]})


def _short(mark: dict[str, object] | None) -> str | None:
    """A mark in a table's cell: what it says, and why."""
    if mark is None:
        return None
    return f"{'healthy' if mark['healthy'] else 'not healthy'}: {mark['reason'] or mark['alert']}"
