"""``driftline serve`` and ``driftline worker``: the long-running processes."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from typing import Annotated, Any

import typer

import monitor
from monitor.api.doorkeeper import is_loopback
from monitor.api.start import TOKEN_FILE, in_container, secure
from monitor.cli.logs import configure_logs
from monitor.cli.options import with_settings
from monitor.model.errors import ConfigurationError
from monitor.settings import Settings

GRACE_SECONDS = 20


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
    # By name: imports go down only, and the composition root stands above the command line (as uvicorn's own
    # "module:factory" strings do).
    composition = importlib.import_module("monitor.app")
    run_until_told(getattr(composition, factory)(settings, **parts), settings=settings, places=places)


def run_until_told(application: Any, *, settings: Settings, places: tuple[str, ...]) -> None:
    """Serves until SIGTERM or SIGINT; requests in flight finish first. Returns, so that the exit code is 0."""
    import uvicorn

    from monitor.api.protocol import BoundedHttp

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _announce(self.servers[0].sockets[0].getsockname(), places=places)

    config = uvicorn.Config(
        application, host=settings.host, port=settings.port, root_path=settings.root_path, loop="uvloop",
        http=BoundedHttp, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    server = Announcing(config)
    # uvicorn raises the signal it stopped for once more at its end; stopping as told is not a failure
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        server.run()
    except SystemExit:  # uvicorn's own way to say that it could not start; the log says why
        server.started = False
    if not server.started:
        raise ConfigurationError(f"could not listen on {settings.host}:{settings.port}: see the log above")


def _announce(address: tuple[Any, ...], *, places: tuple[str, ...]) -> None:
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    base = f"http://{host}:{address[1]}"
    sys.stdout.write(f"Driftline {monitor.__version__} on {base} ({', '.join(base + place for place in places)})\n")
    sys.stdout.flush()
