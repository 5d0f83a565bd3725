"""``driftline demo``: real flights through the real service."""

from __future__ import annotations

import importlib
import signal
from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="end with the report instead of leaving the server running")
    ] = False,
) -> None:
    """The flights of 2013 through the real service: a model, its traffic, and which columns drifted when.

    Starts a server of its own on loopback with an embedded database in a temporary directory.

    Example: driftline demo --once
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the server it started ends with it
    # By name: imports go down only, and the demo stands above the command line.
    code = importlib.import_module("monitor.demo.run").run(once=once)
    raise typer.Exit(code)
