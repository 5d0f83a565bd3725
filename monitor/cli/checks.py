"""``driftline checks simulate``: how often given checks would have fired."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.asked import read_checks
from monitor.cli.models import Model
from monitor.cli.output import print_json, print_table
from monitor.cli.results import From, To
from monitor.cli.server import Json, Server, Token, Url, model_path

checks = typer.Typer(no_args_is_help=True, help="Checks of a model: simulate.")

_COLUMNS = (
    "check", "column", "windows", "unknown", "warning", "alert", "episodes", "a month", "95 %", "in force", "first",
    "last",
)  # fmt: skip


@checks.callback()
def group() -> None:
    """Keeps ``simulate`` a command of its own, though it is the only one."""


@checks.command("simulate")
def simulate(
    model: Model,
    file: Annotated[Path, typer.Option("--checks", help="JSON file with the checks (docs/configuration.md)")],
    version: Annotated[str | None, typer.Option(help="the version; the newest live one unless told")] = None,
    from_: From = None,
    to: To = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """How often the checks would have fired on stored windows, beside those in force. Nothing is changed.

    Example: driftline checks simulate churn --checks checks.json --from 2026-03-01
    """
    given = {"version": version, "from": from_, "to": to}
    params = {name: value for name, value in given.items() if value is not None}
    with Server(url=url, token=token) as server:
        result = _with_progress(server, model_path(model, "checks/simulate"), params=params, shapes=read_checks(file))
    if as_json:
        print_json(result)
        return
    print_table(_rows(result), columns=_COLUMNS)
    sys.stdout.write(f"\n{summary_of(result)}\n")


def _with_progress(server: Server, path: str, *, params: dict[str, str], shapes: list[Any]) -> dict[str, Any]:
    """The result, with a bar on standard error while it is worked out."""
    from monitor.cli.sending import progress

    result: dict[str, Any] = {}
    with progress() as bar:
        task = bar.add_task("windows", total=None)
        for step in server.lines(path, params=params, json={"checks": shapes}):
            if "result" in step:
                result = step["result"]
            else:
                bar.update(task, total=step["windows"], completed=step["progress"] * step["windows"])
    return result


def _rows(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a check, and one for each of its columns that was ever more than ok."""
    in_force = {check["name"]: check["episodes"] for check in result["in_force"]}
    for check in result["checks"]:
        yield _row(check) | {"check": check["name"], "column": "(all)", "in force": in_force.get(check["name"])}
        for column in check["columns"]:
            if column["ok"] < column["windows"]:
                yield _row(column) | {"check": check["name"], "column": column["column"]}


def _row(counted: dict[str, Any]) -> dict[str, Any]:
    known = counted["per_month"] is not None
    return counted | {
        "a month": counted["per_month"],
        "95 %": f"{counted['lower']:.3g} to {counted['upper']:.3g}" if known else None,
        "first": next(iter(counted["first"]), None), "last": next(reversed(counted["last"]), None),
    }  # fmt: skip


def summary_of(result: dict[str, Any]) -> str:
    """What the answer is based on, in one line."""
    skipped = sum(result["skipped"].values())
    beside = f", {skipped} more could not be judged ({', '.join(result['skipped'])})" if skipped else ""
    if not result["windows"]:
        return f"version {result['version']}: no judged window{beside}"
    recorded = ", ".join(f"{count} {status}" for status, count in result["recorded"].items() if count)
    return (
        f"version {result['version']}: {result['windows']:,} windows from {result['from']} to {result['to']}{beside}; "
        f"recorded then: {recorded}"
    )
