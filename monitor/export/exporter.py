"""``/metrics``: model series from a cache that a thread renews, the process's own at scrape time."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry

from monitor.export.choice import Choice, parse_columns
from monitor.export.facts import VersionFacts
from monitor.export.families import labels, number
from monitor.export.page import Composer, render
from monitor.export.process import END, process_page
from monitor.export.series import Line, line
from monitor.model.time import SECOND_US
from monitor.repeated import Repeated

log = logging.getLogger(__name__)
REFRESH_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


class FleetReader(Protocol):
    """Where the model series come from."""

    def read(self, *, now_us: int) -> tuple[list[VersionFacts], dict[str, float]]:
        """Every version's facts, and the fleet's own gauges by family."""
        ...


class Exporter:
    """Serves the page. ``start`` begins a thread that reads the database at once, then every ``refresh_seconds``.

    A scrape costs no query. When the cache is older than three refreshes (the database is away, say) the model series
    are dropped: another replica has them, and old numbers would look healthy.
    """

    def __init__(
        self,
        *,
        reader: FleetReader,
        registry: CollectorRegistry,
        now_us: Callable[[], int],
        build: dict[str, str],
        data_dir: Path,
        columns: str = "top:20",
        max_series: int = 50_000,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        self._reader, self._registry, self._now_us = reader, registry, now_us
        self._composer = Composer(
            choice=Choice(limit=parse_columns(columns), max_series=max_series), max_series=max_series
        )
        self._build, self._data_dir = build, data_dir
        self._refresh_us = round(refresh_seconds * SECOND_US)
        self._cached: tuple[int, bytes] | None = None
        self._repeated = Repeated(
            self._refresh_again, every_seconds=refresh_seconds, name="export", at_once=True,
            close_seconds=_CLOSE_SECONDS,
        )  # fmt: skip

    def refresh(self) -> None:
        """Read the fleet and render it; what was cached stays when that fails."""
        now_us = self._now_us()
        fleet, gauges = self._reader.read(now_us=now_us)
        lines, dropped = self._composer.compose(fleet, now_us=now_us)
        lines += [(family, f"{family} {number(value)}") for family, value in gauges.items()]
        lines.append(("driftline_series_dropped", f"driftline_series_dropped {dropped}"))
        self._cached = now_us, render(lines)

    def page(self, *, openmetrics: bool) -> bytes:
        """The whole page: this process's series, and the model series while they are fresh."""
        parts = [process_page(self._registry, openmetrics=openmetrics), render(self._of_the_process())]
        if self._cached is not None and self._now_us() - self._cached[0] <= 3 * self._refresh_us:
            parts.append(self._cached[1])
        if openmetrics:
            parts.append(END)
        return b"".join(parts)

    def _of_the_process(self) -> list[Line]:
        lines = [line("driftline_build_info", labels(**self._build), 1)]
        try:
            free = shutil.disk_usage(self._data_dir).free
        except OSError:
            return lines
        return [("driftline_disk_free_bytes", f"driftline_disk_free_bytes {free}"), *lines]

    def start(self) -> None:
        """Fill the cache and keep it fresh, in a daemon thread: nobody waits for the first refresh of a large fleet."""
        self._repeated.start()

    def close(self) -> None:
        """Stop refreshing; the page can still be asked for."""
        self._repeated.close()

    def _refresh_again(self) -> None:
        try:
            self.refresh()
        except Exception:
            log.exception("the model series could not be refreshed; they are dropped after three refreshes")
