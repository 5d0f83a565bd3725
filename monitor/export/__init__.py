"""Prometheus text from a cached snapshot: a scrape costs no query."""

from __future__ import annotations

from monitor.export.exporter import Exporter
from monitor.export.process import END, OPENMETRICS, TEXT, media_type, process_page
from monitor.export.reader import StoreReader

__all__ = ["END", "OPENMETRICS", "TEXT", "Exporter", "StoreReader", "media_type", "process_page"]
