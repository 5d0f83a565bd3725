"""``driftline serve`` and ``driftline worker``: the long-running processes."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer

from monitor.api.doorkeeper import is_loopback
from monitor.api.start import TOKEN_FILE, in_container, secure
from monitor.cli.logs import configure_logs
from monitor.cli.options import with_settings
from monitor.settings import Settings


@with_settings()
def serve(
    settings: Settings,
    no_jobs: Annotated[bool, typer.Option("--no-jobs", help="leave the scheduled jobs to `driftline worker`")] = False,
) -> None:
    """The HTTP interface and the scheduled jobs, in one process.

    Example: driftline serve --port 8000 --data-dir /var/lib/driftline
    """
    _secure(settings, makes_token=in_container(os.environ))
    _run("create_app", settings, jobs=not no_jobs, places=("/docs", "/metrics"))


@with_settings(port="8001")
def worker(settings: Settings) -> None:
    """The scheduled jobs alone, with /livez, /readyz and the process's own /metrics.

    Example: driftline worker --port 8001
    """
    _secure(settings, makes_token=False)
    _run("create_worker", settings, places=("/readyz", "/metrics"))


def _secure(settings: Settings, *, makes_token: bool) -> None:
    """Says the first admin token, once, where this start makes it; refuses a start that would be open to strangers."""
    configure_logs(level=settings.log_level, form=settings.log_format)
    if is_loopback(settings.host):
        return
    from monitor.store import open_store

    now_us = importlib.import_module("monitor.app").wall_clock_us
    store = open_store(settings.store_url, data_dir=settings.data_dir, migrate=True)
    try:
        made = secure(settings, store=store, makes_token=makes_token, now_us=now_us)
    finally:
        store.close()
    if made is not None:
        sys.stdout.write(
            f"Admin token, shown this once and kept in {settings.data_dir / TOKEN_FILE}: {made}\n"
            "Keep it elsewhere and remove the file. Make others with driftline tokens create.\n"
        )
        sys.stdout.flush()


def _run(factory: str, settings: Settings, *, places: tuple[str, ...], **parts: Any) -> None:
    from monitor.cli.running import run_until_told

    # By name: imports go down only, and the composition root stands above the command line (as uvicorn's own
    # "module:factory" strings do).
    composition = importlib.import_module("monitor.app")
    run_until_told(getattr(composition, factory)(settings, **parts), settings=settings, places=places)
