"""What the routes work with: made once by ``app.py`` and handed down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends
from starlette.requests import Request

from monitor.api.access import Caller
from monitor.api.keyring import Keyring
from monitor.api.looks import Looks
from monitor.evaluate.context import Contexts
from monitor.evaluate.fixed_rates import FixedRates
from monitor.evaluate.partial import OpenWindows
from monitor.evaluate.simulate import Simulator
from monitor.export import Exporter
from monitor.ingest.service import IngestService
from monitor.jobs.runner import JobRunner
from monitor.settings import Settings
from monitor.store import Store
from monitor.store.backup import Backups
from monitor.telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The concrete things behind the routes; ``jobs`` is None where another process runs them.

    ``references`` bounds how many are profiled at a time: each costs a core. Small ones, which are all Python and so
    only hinder each other (four at once take a quarter longer than one after the other), have one place of their own.
    ``probes`` are the threads of who asks how the process is: those of the other routes may all wait for the database.
    """

    store: Store
    settings: Settings
    telemetry: Telemetry
    ingest: IngestService
    jobs: JobRunner | None
    contexts: Contexts
    open_windows: OpenWindows
    simulator: Simulator
    fixed_rates: FixedRates
    exporter: Exporter
    backups: Backups
    keyring: Keyring
    references: asyncio.Semaphore
    small_references: asyncio.Semaphore
    uploads: asyncio.Semaphore
    looks: Looks
    probes: CapacityLimiter
    now_us: Callable[[], int]


async def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


Parts = Annotated[Services, Depends(_services)]


async def _caller(request: Request) -> Caller:
    found: Caller = request.scope["caller"]
    return found


Calling = Annotated[Caller, Depends(_caller)]
