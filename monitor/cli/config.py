"""``driftline config``: model files checked without a server, and their JSON Schema."""

from __future__ import annotations

import sys

import typer

from monitor.cli.apply import Source
from monitor.cli.model_files import read_set
from monitor.cli.output import print_json
from monitor.cli.server import Json
from monitor.cli.told import all_told

config = typer.Typer(no_args_is_help=True, help="Model files: check them offline, print their JSON Schema.")


@config.command("check")
def check_config(source: Source, as_json: Json = False) -> None:
    """Reads a set of model files as apply would, without a server; ends with 1 if anything is wrong.

    Example: driftline config check -f models/
    """
    from monitor.configuration.resolve import resolve

    with all_told():
        found = resolve(read_set(source).documents)
    versions = sum(len(model.versions) for model in found.models)
    if as_json:
        print_json({"set": found.name, "models": [model.model.name for model in found.models], "versions": versions})
        return
    named = "" if found.name is None else f"set {found.name}: "
    sys.stdout.write(f"{named}{len(found.models)} models with {versions} versions, nothing wrong\n")


@config.command("schema")
def print_schema() -> None:
    """Prints the JSON Schema of a model file, for editors.

    Example: driftline config schema > driftline.schema.json
    """
    from monitor.configuration.shapes import json_schema

    print_json(json_schema())
