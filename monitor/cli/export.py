"""``driftline export``: models and versions written back as a model file."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.output import print_json
from monitor.cli.server import Json, Server, Token, Url, model_path
from monitor.configuration.writing import file_of, yaml_text
from monitor.model.errors import NotFound


def export(
    model: Annotated[str, typer.Option("--model", help="only models of that name or pattern, such as 'churn*'")] = "*",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the file to write; else standard output")]
    = None,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Writes models and versions as a model file. Applying it changes nothing.

    Example: driftline export --model 'churn*' -o churn.yaml
    """
    with Server(url=url, token=token) as server:
        found = [shape for shape in server.pages("models", params={}) if fnmatchcase(shape["name"], model)]
        content = file_of(
            (shape, list(server.pages(f"{model_path(shape['name'])}/versions", params={}))) for shape in found
        )
    if not found and model != "*":
        raise NotFound(f"no model is called {model!r}: see driftline models list")
    if as_json:
        print_json(content)
    elif output is None:
        sys.stdout.write(yaml_text(content))
    else:
        output.write_text(yaml_text(content), encoding="utf-8")
