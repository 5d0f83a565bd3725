"""The composition root: makes the concrete things, wires them, owns the clock. Nothing happens on import."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from anyio import CapacityLimiter
from fastapi import FastAPI

import monitor
from monitor.api.application import build_application, build_worker
from monitor.api.keyring import Keyring
from monitor.api.looks import Looks
from monitor.api.readiness import ReadinessWatch
from monitor.api.services import Services
from monitor.api.upload import MAX_UPLOADS, remove_leftovers
from monitor.evaluate.context import Contexts
from monitor.evaluate.fixed_rates import FixedRates
from monitor.evaluate.simulate import Simulator
from monitor.export import Exporter, StoreReader
from monitor.export.families import without_credentials
from monitor.ingest.limits import Limits
from monitor.ingest.service import IngestService
from monitor.jobs.release import MemoryRelease, settle_allocators
from monitor.jobs.runner import JobRunner
from monitor.jobs.settings import JobSettings
from monitor.model.errors import ConfigurationError, InvalidInput
from monitor.model.retention import Retention
from monitor.model.time import DAY_US
from monitor.server_file import ServerFile, read_server_file
from monitor.settings import Settings
from monitor.store import Store, open_store
from monitor.store.backup import Backups
from monitor.store.clock import SharedClock
from monitor.store.connections import crowding
from monitor.store.run_cache import RunCache
from monitor.telemetry import Telemetry
from monitor.tokens_file import TokensFile
from monitor.tracing.environment import asked_for

logger = logging.getLogger(__name__)
REFERENCES_AT_ONCE = 2
PROBES_AT_ONCE = 8
Clock = Callable[[], int]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def wall_clock_us() -> int:
    """Microseconds since the epoch, now, by this host's clock: what the service goes by is ``SharedClock``."""
    return time.time_ns() // 1_000


def create_app(
    settings: Settings,
    *,
    jobs: bool = True,
    now_us: Clock | None = None,
    rhythm: JobSettings | None = None,
    refresh_seconds: float = 10.0,
) -> FastAPI:
    """The server: the whole HTTP interface, with the scheduled jobs unless another process runs them.

    ``now_us`` is the clock (the database's unless told), ``rhythm`` how often the jobs look, ``refresh_seconds`` how
    often ``/metrics`` reads the fleet.
    """
    services = _services(settings, jobs=jobs, now_us=now_us, rhythm=rhythm, refresh_seconds=refresh_seconds)
    return build_application(services, lifespan=_lifespan(services, exporting=True))


def create_worker(settings: Settings, *, now_us: Clock | None = None, rhythm: JobSettings | None = None) -> FastAPI:
    """The jobs alone, with ``/livez``, ``/readyz`` and the process's own ``/metrics``."""
    services = _services(settings, jobs=True, now_us=now_us, rhythm=rhythm, refresh_seconds=10.0)
    return build_worker(services, lifespan=_lifespan(services, exporting=False))


def _lifespan(services: Services, *, exporting: bool) -> Lifespan:
    """Starts the threads and ends them; the model series are the API processes' to export, not a worker's."""

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        if isinstance(services.now_us, SharedClock):
            services.now_us.start()
        if services.telemetry.tracer is not None:
            services.telemetry.tracer.start()
        services.keyring.start()
        if exporting:
            services.exporter.start()
        if services.jobs is not None:
            services.jobs.start()
        readiness = ReadinessWatch(services)
        readiness.start()
        _settle_memory()
        memory = MemoryRelease(services.store)
        memory.start()
        try:
            yield
        finally:
            readiness.close()
            memory.close()
            _close(services)

    return running


def _services(
    settings: Settings, *, jobs: bool, now_us: Clock | None, rhythm: JobSettings | None, refresh_seconds: float
) -> Services:
    settle_allocators()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    server_file = read_server_file(settings.config)
    store = open_store(settings.store_url, data_dir=settings.data_dir, migrate=True)
    store.mark_running()
    store.open_readers()
    telemetry = _telemetry()
    now_us = now_us or _shared_clock(store, telemetry=telemetry)
    _warn_of_crowding(store)
    remove_leftovers(settings.upload_dir, before_us=now_us() - DAY_US)
    backups = Backups(store, directory=settings.backup_dir, release=monitor.__version__)
    backups.remove_leftovers()
    # made also where another process runs the jobs: the open window is folded and judged here when somebody asks
    contexts, runs = Contexts(), RunCache(store)  # labels ask for the id runs that folds have read or merged
    rhythm = replace(
        rhythm or JobSettings(), max_segments=settings.max_segments, retention=_retention(settings),
        profile_ages=settings.retention_profiles,
    )  # fmt: skip
    runner = JobRunner(store, telemetry, now_us=now_us, settings=rhythm, contexts=contexts, runs=runs)
    simulator = Simulator(store, evaluator=runner.evaluator)
    ingest = IngestService(
        store, telemetry, limits=_limits(settings), clock=now_us, auto_create=settings.auto_create, runs=runs
    )  # fmt: skip
    return Services(
        store=store, settings=settings, telemetry=telemetry, ingest=ingest, jobs=runner if jobs else None,
        contexts=contexts, open_windows=runner.open_windows, simulator=simulator,
        fixed_rates=FixedRates(store, contexts=contexts, simulator=simulator),
        references=asyncio.Semaphore(REFERENCES_AT_ONCE),
        small_references=asyncio.Semaphore(1),
        uploads=asyncio.Semaphore(MAX_UPLOADS),
        looks=Looks(),
        probes=CapacityLimiter(PROBES_AT_ONCE),
        now_us=now_us,
        exporter=_exporter(settings, store=store, telemetry=telemetry, now_us=now_us, refresh_seconds=refresh_seconds),
        backups=backups,
        keyring=make_keyring(store, server_file=server_file, now_us=now_us, telemetry=telemetry),
    )  # fmt: skip


def _retention(settings: Settings) -> Retention:
    try:
        return Retention(
            rows_us=settings.retention_rows, unlabelled_us=settings.retention_unlabelled,
            results_us=settings.retention_results,
        )  # fmt: skip
    except InvalidInput as wrong:
        raise ConfigurationError(f"DRIFTLINE_RETENTION_ROWS, _UNLABELLED and _RESULTS: {wrong.detail}") from None


def _telemetry() -> Telemetry:
    """The process's counters, and its traces where the environment asks for them."""
    telemetry, asked = Telemetry(), asked_for(os.environ)
    if asked.warning:
        logger.warning("%s", asked.warning)
    if asked.on:
        from monitor.tracing.otlp import OtlpTracer

        telemetry.tracer = OtlpTracer(version=monitor.__version__, count=telemetry.count_spans)
    return telemetry


def _shared_clock(store: Store, *, telemetry: Telemetry) -> SharedClock:
    clock = SharedClock(store, wall_us=wall_clock_us, skewed=telemetry.clock_skew.set)
    clock.agree()
    return clock


def _warn_of_crowding(store: Store) -> None:
    with store.read() as conn:
        found = crowding(conn)
    if found is not None:
        logger.warning("%s", found)


def make_keyring(store: Store, *, server_file: ServerFile, now_us: Clock, telemetry: Telemetry) -> Keyring:
    """The tokens of the database and of the administrator's file."""
    listed = None if server_file.tokens_file is None else TokensFile(server_file.tokens_file)
    return Keyring(
        store, now_us=now_us, seconds=time.monotonic, refused=telemetry.quota_refused, file=listed,
        open_metrics=server_file.open_metrics,
    )  # fmt: skip


def _exporter(
    settings: Settings, *, store: Store, telemetry: Telemetry, now_us: Clock, refresh_seconds: float
) -> Exporter:
    return Exporter(
        reader=StoreReader(store), registry=telemetry.registry, now_us=now_us,
        build={
            "version": monitor.__version__, "database": store.dialect,
            "public_url": without_credentials(settings.public_url or ""),
        },
        data_dir=settings.data_dir, columns=settings.export_columns, max_series=settings.max_series,
        refresh_seconds=refresh_seconds,
    )  # fmt: skip


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_body_bytes=settings.max_body_bytes, max_reference_bytes=settings.max_reference_bytes,
        max_decoded_bytes=settings.max_decoded_bytes, max_inflight_bytes=settings.max_inflight_bytes,
        max_records=settings.max_records, max_columns=settings.max_columns,
    )  # fmt: skip


def _settle_memory() -> None:
    """What was made at the start stays: the collector need not look through it again with every thousand requests.

    Measured: a third of a small request's cost, and pauses of 70 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _close(services: Services) -> None:
    """Ends every thread, what waits to be committed first, and closes the database."""
    services.ingest.close()
    if services.jobs is not None:
        services.jobs.stop()
    services.backups.close()
    services.exporter.close()
    services.keyring.close()
    if isinstance(services.now_us, SharedClock):
        services.now_us.close()
    services.store.close()
    if services.telemetry.tracer is not None:
        services.telemetry.tracer.close()
