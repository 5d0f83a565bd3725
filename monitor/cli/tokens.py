"""``driftline tokens``: made, listed, revoked."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from monitor.cli.output import print_fields, print_json, print_table
from monitor.cli.server import Json, Token, Url, ask, listed

tokens = typer.Typer(no_args_is_help=True, help="Tokens: create, list, revoke.")
_COLUMNS = ("id", "name", "role", "models", "state", "created", "expires", "last_used")


@tokens.command("create")
def create_token(
    role: Annotated[str, typer.Option(help="ingest, metrics, read, write or admin")],
    name: Annotated[str | None, typer.Option(help="what it is for [default: the role]")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="only models of this name or pattern, such as 'churn*'; may be repeated")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="after a time such as 90d, or at one such as 2027-01-01")] = None,
    quota: Annotated[
        list[str] | None, typer.Option(help="what it may do in a minute: records=60000 or requests=600, or both")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Makes a token and prints it: it is shown this once.

    Example: driftline tokens create --role ingest --name churn-api --model 'churn*' --expires 90d
    """
    given = {"role": role, "name": name, "models": model, "expires": expires, "quota": _quota(quota)}
    body = {field: value for field, value in given.items() if value is not None}
    made = ask(url, token, "POST", "tokens", json=body).json()
    if as_json:
        print_json(made)
        return
    note = made.pop("note", None)
    print_fields(made)
    sys.stderr.write("Keep it now: it is not shown again.\n" + (f"It is {note}.\n" if note else ""))


def _quota(written: list[str] | None) -> dict[str, int] | None:
    """The bounds by name; the server says which there are."""
    if not written:
        return None
    bounds = dict(text.partition("=")[::2] for text in written)
    try:
        return {name: int(bound.replace("_", "")) for name, bound in bounds.items()}
    except ValueError:
        raise typer.BadParameter(f"--quota is {', '.join(written)!r}: expected such as records=60000") from None


@tokens.command("list")
def list_tokens(url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Every token without its secret, also those that ended.

    Example: driftline tokens list
    """
    rows = listed(url, token, "tokens")
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=_COLUMNS)


@tokens.command("revoke")
def revoke_token(
    id: Annotated[str, typer.Argument(help="the id that `driftline tokens list` shows, such as tok_3")],
    url: Url = None,
    token: Token = None,
) -> None:
    """The token opens nothing any more, on every replica within two seconds.

    Example: driftline tokens revoke tok_3
    """
    ask(url, token, "DELETE", f"tokens/{quote(id, safe='')}", repeat=True)
