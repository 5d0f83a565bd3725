"""``driftline reference``: set one from a file or from stored rows, list them, go back to an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.options import Items, with_roles
from monitor.cli.output import print_fields, print_json, print_table
from monitor.cli.server import Json, Token, Url, ask, listed, version_path

reference = typer.Typer(no_args_is_help=True, help="References of a version: set, from-stored, list, show, activate.")
_UPLOAD_SECONDS = 3_600.0


@with_roles
def set_reference(
    model: Model,
    version: Version,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Parquet, Arrow, CSV, NDJSON or .dlp")],
    roles: Items,
    source: Annotated[str | None, typer.Option(help="where the data came from; kept as provenance")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Sets a reference from a file.

    Example: driftline reference set churn 42 january.parquet --prediction churned
    """
    from monitor.cli.files import pieces_of, reference_type_of

    params = [*roles, ("source", source if source is not None else file.name)]
    answer = ask(url, token,
        "PUT", version_path(model, version, "reference"), params=params, content=pieces_of(file),
        headers={"Content-Type": reference_type_of(file)}, timeout=_UPLOAD_SECONDS,
    )  # fmt: skip
    _show(answer.json(), as_json=as_json)


reference.command("set")(set_reference)


@reference.command("from-stored")
def from_stored(
    model: Model,
    version: Version,
    from_: Annotated[str, typer.Option("--from", help="at or after (RFC 3339)")],
    to: Annotated[str, typer.Option("--to", help="before (RFC 3339)")],
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Makes a reference of stored rows.

    Example: driftline reference from-stored churn 42 --from 2026-01-01 --to 2026-02-01
    """
    path = version_path(model, version, "reference")
    answer = ask(url, token, "POST", path, params={"from": from_, "to": to}, timeout=_UPLOAD_SECONDS)
    _show(answer.json(), as_json=as_json)


@reference.command("list")
def list_references(
    model: Model, version: Version, url: Url = None, token: Token = None, as_json: Json = False
) -> None:
    """Every reference ever set, newest first.

    Example: driftline reference list churn 42
    """
    rows = listed(url, token, version_path(model, version, "references"))
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=("reference", "active", "rows", "created_at", "source", "digest"))


@reference.command("show")
def show_reference(model: Model, version: Version, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """The active reference.

    Example: driftline reference show churn 42
    """
    answer = ask(url, token, "GET", version_path(model, version, "reference")).json()
    if as_json:
        print_json(answer)
        return
    _show(answer, as_json=False)


@reference.command("activate")
def activate(
    model: Model,
    version: Version,
    number: Annotated[int, typer.Argument(help="the reference's number")],
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Goes back to an earlier reference.

    Example: driftline reference activate churn 42 1
    """
    path = version_path(model, version, "reference", str(number), "activate")
    _show(ask(url, token, "POST", path, repeat=True).json(), as_json=as_json)


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    print_fields({k: v for k, v in answer.items() if k not in ("schema", "columns", "warnings")})
    for warning in answer.get("warnings", ()):
        print_fields({"warning": f"{warning['code']} {warning.get('column', '')}: {warning['message']}"})
