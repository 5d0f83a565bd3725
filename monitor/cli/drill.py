"""``driftline drill``: does an alert come back, would a fault be found?"""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.output import cell, print_json, print_table
from monitor.cli.server import Json, Server, Token, Url, version_path
from monitor.model.errors import InvalidInput

NOT_FOUND = 3
_POLL_SECONDS = 2.0
_COLUMNS = ("window", "rows", "check", "metric", "value", "threshold", "status", "unchanged")


def drill(
    model: Model,
    version: Version,
    route: Annotated[bool, typer.Option("--route", help="raise a test check and wait until it comes back")] = False,
    severity: Annotated[str | None, typer.Option(help="of the test check: warning (default) or critical")] = None,
    timeout: Annotated[str | None, typer.Option(help="when the test check ends by itself, 15m unless told")] = None,
    column: Annotated[str | None, typer.Option(help="change this column of the last window's rows in a shadow")] = None,
    missing: Annotated[float | None, typer.Option(help="that share of its values goes missing")] = None,
    scale: Annotated[float | None, typer.Option(help="its values times so much, as when a unit changes")] = None,
    shift_sd: Annotated[float | None, typer.Option("--shift-sd", help="moved by so many standard deviations")] = None,
    category: Annotated[str | None, typer.Option(help="every value is this category")] = None,
    windows: Annotated[int | None, typer.Option(help="try at most so many windows, 24 unless told")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """A fire drill: of the alert's way (--route), or of a fault in the data (--column). Results are left alone.

    Ends with 0 when the alert came back or the fault was found, 3 when not, 1 for an error.

    Example: driftline drill churn 42 --column age --missing 0.5
    """
    changes = {"missing": missing, "scale": scale, "shift_sd": shift_sd, "category": category}
    change = {name: value for name, value in changes.items() if value is not None}
    body = _body(route=route, column=column, change=change, windows=windows, severity=severity, timeout=timeout)
    with Server(url=url, token=token) as server:
        path = version_path(model, version, "drill")
        # a data drill changes nothing, so it is asked again while the server is busy; a route drill is begun once
        found = server.call("POST", path, json=body, repeat=not route, timeout=600.0).json()
        if route:
            found = _waited(server, path, begun=found)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not (found["state"] == "back" if route else found["found"]):
        raise typer.Exit(NOT_FOUND)


def _body(
    *, route: bool, column: str | None, change: dict[str, Any], windows: int | None, severity: str | None,
    timeout: str | None,
) -> dict[str, Any]:  # fmt: skip
    """What is asked of the server; ``InvalidInput`` where the options are of both kinds, or of none."""
    of_route = {"severity": severity, "timeout": timeout}
    of_data = {"column": column, "change": change or None, "windows": windows}
    other = of_data if route else of_route
    if any(value is not None for value in other.values()):
        raise InvalidInput("expected --route with --severity and --timeout, or --column with one change, not both")
    if not route and (column is None or len(change) != 1):
        raise InvalidInput(
            "expected --route, or --column NAME with one of --missing, --scale, --shift-sd and --category"
        )
    given = of_route if route else of_data
    return {"kind": "route" if route else "data"} | {k: v for k, v in given.items() if v is not None}


def _waited(server: Server, path: str, *, begun: dict[str, Any]) -> dict[str, Any]:
    """The drill once it is no longer raised; it ends by itself, also when nobody waits."""
    found = begun
    sys.stderr.write(f"{cell(found['says'])}\n")
    while found["state"] == "raised":
        time.sleep(_POLL_SECONDS)
        found = server.call("GET", path).json()
    return found


def _print(found: dict[str, Any]) -> None:
    for window in found.get("windows", ()):
        before = {row["check"]: row["status"] for row in window["unchanged"]}
        print_table(
            [
                {"window": window["window_start"], "rows": window["rows"], **row, "unchanged": before.get(row["check"])}
                for row in window["changed"]
            ],
            columns=_COLUMNS,
        )
    sys.stdout.write(f"{cell(found['says'])}\n")
