"""A receiver that is away or hangs: no request waits for it, and no end."""

from __future__ import annotations

import time

import httpx

from monitor.tracing.otlp import CLOSE_SECONDS
from tests.faults.cluster import until
from tests.service import Service, free_port
from tests.tracing.receiver import receiving, serving

MANY = 300
HANGS_SECONDS = 20.0  # that the SDK would wait for one answer


def ask(service: Service, times: int) -> float:
    """The seconds that the slowest answer took."""
    slowest = 0.0
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for _ in range(times):
            began = time.monotonic()
            client.get("/api/v1/models").raise_for_status()
            slowest = max(slowest, time.monotonic() - began)
    return slowest


def spans(service: Service, result: str) -> float:
    page = httpx.get(f"{service.url}/metrics").text
    return sum(
        float(line.split()[1])
        for line in page.splitlines()
        if line.startswith(f'driftline_spans_total{{result="{result}"')
    )


def settings(url: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces", "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2",
        "OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32",
    }  # fmt: skip


def test_a_receiver_that_hangs_holds_up_no_request_and_no_end(tmp_path):
    waits = {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": str(HANGS_SECONDS)}
    with receiving() as received:
        received.hanging.set()
        with serving(Service(tmp_path, **settings(received.url) | waits)) as service:
            ask(service, 1)
            until(lambda: received.asked > 0, within_seconds=20, what="spans on their way")
            assert ask(service, MANY) < HANGS_SECONDS / 4
            assert spans(service, "recorded") >= MANY
            assert spans(service, "sent") == 0
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < CLOSE_SECONDS + 6.0  # of which ending without traces takes some
            assert received.raw == []


def test_a_receiver_that_is_away_costs_a_few_lines_of_the_log(tmp_path):
    with serving(Service(tmp_path, **settings(f"http://127.0.0.1:{free_port()}"))) as service:
        ask(service, MANY)
        until(lambda: spans(service, "failed") > 0, within_seconds=60, what="a failure")
        assert service.stop() == 0
    lines = [line for line in service.log.read_text().splitlines() if "opentelemetry" in line]
    assert 1 <= len(lines) <= 8


def test_what_waits_at_the_end_is_sent(tmp_path):
    late = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}
    with receiving() as received, serving(Service(tmp_path, **settings(received.url) | late)) as service:
        ask(service, 5)
        assert received.asked == 0
        assert service.stop() == 0
        assert [span.name for span in received.spans].count("GET /api/v1/models") == 5
