"""``driftline silences``: made, listed, ended."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from monitor.cli.models import Model
from monitor.cli.output import print_fields, print_json, print_table
from monitor.cli.server import Json, Token, Url, ask, listed, model_path

silences = typer.Typer(no_args_is_help=True, help="Silences: when nobody is told of a model's checks.")
_COLUMNS = ("id", "state", "start", "end", "versions", "checks", "columns", "segments", "by", "reason")

Names = list[str] | None


@silences.command("create")
def create_silence(
    model: Model,
    reason: Annotated[str, typer.Option(help="why")],
    end: Annotated[str, typer.Option(help="how long after the start, such as 2h, or a time")],
    start: Annotated[str | None, typer.Option(help="from now on [default], in 2h, or at a time")] = None,
    version: Annotated[Names, typer.Option(help="only of this name or pattern; may be repeated")] = None,
    check: Annotated[Names, typer.Option(help="only of this name or pattern; may be repeated")] = None,
    column: Annotated[Names, typer.Option(help="only while no other column is failing; may be repeated")] = None,
    segment: Annotated[Names, typer.Option(help="only of this name or pattern, '' is all traffic")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Has nobody told of the model's checks for a while; they go on.

    Example: driftline silences create churn --reason "the warehouse moves" --end 2h --check volume
    """
    given = {
        "reason": reason, "end": end, "start": start, "versions": version, "checks": check, "columns": column,
        "segments": segment,
    }  # fmt: skip
    body = {field: value for field, value in given.items() if value is not None}
    made = ask(url, token, "POST", model_path(model, "silences"), json=body).json()
    if as_json:
        print_json(made)
    else:
        print_fields(made)


@silences.command("list")
def list_silences(model: Model, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """The model's silences, newest first, also those that ended.

    Example: driftline silences list churn
    """
    rows = listed(url, token, model_path(model, "silences"))
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=_COLUMNS)


@silences.command("end")
def end_silence(
    model: Model,
    silence: Annotated[str, typer.Argument(help="the id that `driftline silences list` shows, such as sil_3")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Ends a silence now, or takes it back before it begins.

    Example: driftline silences end churn sil_3
    """
    ask(url, token, "DELETE", model_path(model, "silences", quote(silence, safe="")), repeat=True)
