"""``driftline apply``: a set of model files brought into force, with the difference shown."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from monitor.cli.difference import print_changes, summary_of
from monitor.cli.model_files import FileSet, read_set
from monitor.cli.output import cell, print_json
from monitor.cli.outstanding import check_files, set_references
from monitor.cli.server import Json, Server, ServerRefused, Token, Url
from monitor.cli.told import all_told

WOULD_CHANGE = 2
Source = Annotated[str, typer.Option("-f", "--file", help="a folder, a file, or - for standard input")]
_SECONDS = 600.0


def apply(
    source: Source,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show the difference and change nothing")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="remove what this set once made and no longer names")
    ] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="take over models that others made")] = False,
    name: Annotated[str | None, typer.Option("--set", help="the set's name, else the one in the files")] = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Brings models, versions and references to what the files say, all or nothing.

    Ends with 0 when done or nothing changed, 2 when a dry run found changes, 1 for an error.

    Example: driftline apply -f models/ --dry-run
    """
    with all_told():
        files = read_set(source)
        body = {"documents": [{"path": d.path, "content": d.content} for d in files.documents]}
        asked = body | {"prune": prune, "adopt": adopt} | ({} if name is None else {"set": name})
        with Server(url=url, token=token) as server:
            answer = _post(server, asked, dry_run=True)
            check_files(answer["references"], files=files)
            changing = bool(answer["changes"]) and not dry_run
            if changing:
                answer = _post(server, asked, dry_run=False)
            _show(answer, as_json=as_json, dry_run=dry_run)
            if changing:
                _finish(server, answer, files=files)
    if dry_run and answer["changes"]:
        raise typer.Exit(WOULD_CHANGE)


def _post(server: Server, asked: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    response = server.call("POST", "apply", json=asked | {"dry_run": dry_run}, repeat=True, timeout=_SECONDS)
    answer: dict[str, Any] = response.json()
    return answer


def _show(answer: dict[str, Any], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json(answer)
        return
    print_changes(answer["changes"])
    for rate in answer["fixed_thresholds"]:
        sys.stdout.write(f"{cell(rate['model'])}: fixed threshold of {cell(rate['check'])}: {cell(rate['says'])}\n")
    sys.stdout.write(f"{summary_of(answer['changes'], dry_run=dry_run)}\n")


def _finish(server: Server, answer: dict[str, Any], *, files: FileSet) -> None:
    """Sets the references; models and versions stay as they are now if one fails."""
    outcome = set_references(server, wanted=answer["references"], files=files)
    for warning in outcome.warnings:
        sys.stderr.write(f"warning: {cell(warning)}\n")
    if outcome.failed:
        raise ServerRefused(
            f"models and versions are applied, and {len(outcome.failed)} of {len(answer['references'])} references "
            "are not set; run the same command again to go on\n  " + "\n  ".join(outcome.failed)
        )
