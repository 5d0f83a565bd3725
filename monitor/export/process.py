"""The process's own telemetry as page text: counters and histograms of this process, at scrape time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest as text_page
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
END = b"# EOF\n"


def media_type(accept: str) -> str:
    """The content type that answers an ``Accept`` header: OpenMetrics where asked for, else text.

    >>> media_type("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").split(";")[0]
    'application/openmetrics-text'
    >>> media_type("*/*") == TEXT
    True
    """
    return OPENMETRICS if "application/openmetrics-text" in accept else TEXT


class _WithoutCreated:
    """A registry without the ``_created`` series: half as many, and no dashboard reads them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """The families, without their ``_created`` samples."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry behind has checked its names."""
        return ()


def process_page(registry: CollectorRegistry, *, openmetrics: bool) -> bytes:
    """The registry's families; OpenMetrics without its ``# EOF``, so that more can follow."""
    render = openmetrics_page if openmetrics else text_page
    try:
        page = render(_WithoutCreated(registry))
    except UnicodeEncodeError as error:  # a lone surrogate in a label: shown as "?", and the page stands
        page = str(error.object).encode("utf-8", "replace")
    return page.removesuffix(END)
