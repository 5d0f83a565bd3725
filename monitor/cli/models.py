"""``driftline models`` and ``driftline versions``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.output import cell, print_fields, print_json, print_table
from monitor.cli.server import Json, Token, Url, ask, listed, model_path, version_path
from monitor.model.errors import Malformed

models = typer.Typer(no_args_is_help=True, help="Models: list, get, put, delete, hold, release.")
versions = typer.Typer(no_args_is_help=True, help="Versions of a model: list, get, put, delete.")

Body = Annotated[
    Path | None, typer.Option("--body", help="JSON file with the fields of the API's body ('-': standard input)")
]
Model = Annotated[str, typer.Argument(help="the model's name")]
Version = Annotated[str, typer.Argument(help="the version's name")]


@models.command("list")
def list_models(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Every model with its status.

    Example: driftline models list
    """
    rows = listed(url, token, "models")
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=("name", "status", "since", "task", "team", "window", "last_window", "rows"))


@models.command("get")
def get_model(model: Model, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """One model.

    Example: driftline models get churn
    """
    _show(ask(url, token, "GET", model_path(model)).json(), as_json=as_json)


@models.command("put")
def put_model(
    model: Model,
    task: Annotated[str | None, typer.Option(help="binary_classification, multiclass_classification, regression, none")]
    = None,
    team: Annotated[str | None, typer.Option(help="who looks after it")] = None,
    description: Annotated[str | None, typer.Option(help="what it does")] = None,
    window: Annotated[str | None, typer.Option(help="how time is cut, such as 1h or 1d")] = None,
    lateness: Annotated[str | None, typer.Option(help="how long a window waits for late rows, such as 5m")] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA name, for days and longer")] = None,
    false_alarms: Annotated[str | None, typer.Option(help='the budget, such as "1 per month"')] = None,
    body: Body = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Creates or changes a model.

    Example: driftline models put churn --task binary_classification --window 1h
    """
    given = {"task": task, "team": team, "description": description, "window": window, "lateness": lateness,
             "timezone": timezone, "false_alarms": false_alarms}  # fmt: skip
    shown = ask(url, token, "PUT", model_path(model), json=merged_body(body, given=given), repeat=True).json()
    rates = [] if as_json else shown.pop("fixed_thresholds", [])
    _show(shown, as_json=as_json)
    for rate in rates:
        sys.stdout.write(f"fixed threshold of {cell(rate['check'])}: {cell(rate['says'])}\n")


@models.command("delete")
def delete_model(model: Model, url: Url = None, token: Token = None) -> None:
    """Frees the name; what is stored is purged.

    Example: driftline models delete churn
    """
    ask(url, token, "DELETE", model_path(model))


@models.command("hold")
def hold_model(
    model: Model,
    reason: Annotated[str, typer.Option(help="why")],
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Puts a model under a legal hold: nothing of it is removed until it is released.

    Example: driftline models hold churn --reason "case 24-117"
    """
    path = model_path(model, "legal-hold")
    _show(ask(url, token, "PUT", path, json={"reason": reason}, repeat=True).json(), as_json=as_json)


@models.command("release")
def release_model(model: Model, url: Url = None, token: Token = None) -> None:
    """Ends the legal hold of a model.

    Example: driftline models release churn
    """
    ask(url, token, "DELETE", model_path(model, "legal-hold"), repeat=True)


@versions.command("list")
def list_versions(model: Model, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """The versions of a model.

    Example: driftline versions list churn
    """
    rows = listed(url, token, model_path(model) + "/versions")
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=("version", "state", "status", "reference", "last_window", "created_at"))


@versions.command("get")
def get_version(model: Model, version: Version, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """One version with its schema.

    Example: driftline versions get churn 42
    """
    _show(ask(url, token, "GET", version_path(model, version)).json(), as_json=as_json)


@versions.command("put")
def put_version(
    model: Model,
    version: Version,
    state: Annotated[str | None, typer.Option(help="live, shadow or retired")] = None,
    positive: Annotated[str | None, typer.Option(help="the positive class")] = None,
    decision_threshold: Annotated[float | None, typer.Option(help="score from which it is positive")] = None,
    body: Body = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Creates or changes a version.

    Example: driftline versions put churn 42 --positive yes
    """
    given = {"state": state, "positive": positive, "decision_threshold": decision_threshold}
    path = version_path(model, version)
    answer = ask(url, token, "PUT", path, json=merged_body(body, given=given), repeat=True)
    _show(answer.json(), as_json=as_json)


@versions.command("delete")
def delete_version(model: Model, version: Version, url: Url = None, token: Token = None) -> None:
    """Frees the name; what is stored is purged.

    Example: driftline versions delete churn 41
    """
    ask(url, token, "DELETE", version_path(model, version))


def merged_body(body: Path | None, *, given: dict[str, Any]) -> dict[str, Any]:
    """The body file's fields with the options over them; options that were not given are left out."""
    fields: Any = {}
    if body is not None:
        text = sys.stdin.read() if str(body) == "-" else body.read_text(encoding="utf-8")
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise Malformed(f"--body {body} is not JSON ({error}): expected an object") from None
    if not isinstance(fields, dict):
        raise Malformed(f"--body {body}: expected a JSON object")
    return fields | {name: value for name, value in given.items() if value is not None}


def _show(fields: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
