"""``driftline demo``: real flights through the real service."""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.server import Token
from monitor.model.errors import ConfigurationError
from monitor.settings import load_settings


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="end with the report instead of leaving the server running")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--url", help="replay into this server instead of one of its own", show_default=False)
    ] = None,
    token: Token = None,
    ingest_token_file: Annotated[
        Path | None,
        typer.Option(help="a file with the token (role ingest) that records are posted with; --token has role write"),
    ] = None,
) -> None:
    """The flights of 2013 through the real service: a model, its traffic, and which columns drifted when.

    Starts a server of its own on loopback with an embedded database in a temporary directory, unless --url names one.

    Example: driftline demo --once
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the server it started ends with it
    if url is None and (token is not None or ingest_token_file is not None):
        raise ConfigurationError("--token and --ingest-token-file are for the server that --url names: add --url")
    # By name: imports go down only, and the demo stands above the command line.
    replaying = importlib.import_module("monitor.demo.run")
    if url is None:
        raise typer.Exit(replaying.run(once=once))
    settings = load_settings(os.environ, options={"url": url, "token": token})
    given = importlib.import_module("monitor.demo.server").GivenServer(
        settings.url, token=settings.token, ingest_token=_token_in(ingest_token_file)
    )
    raise typer.Exit(replaying.replay(given))


def _token_in(file: Path | None) -> str | None:
    try:
        return None if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"--ingest-token-file is {str(file)!r}: expected a readable file that holds a token ({error})"
        ) from None
