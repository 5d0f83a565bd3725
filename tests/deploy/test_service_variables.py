"""The real processes in the environment that Kubernetes makes where a Service is named ``driftline``."""

from __future__ import annotations

import httpx
import pytest

from tests.service import Service

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
INJECTED = {
    f"{service}_{name}": value
    for service, address in (("DRIFTLINE", "10.96.0.17"), ("DRIFTLINE_WORKER", "10.96.0.18"))
    for name, value in {
        "SERVICE_HOST": address,
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP": "8000",
        "PORT": f"tcp://{address}:8000",
        "PORT_8000_TCP": f"tcp://{address}:8000",
        "PORT_8000_TCP_PROTO": "tcp",
        "PORT_8000_TCP_PORT": "8000",
        "PORT_8000_TCP_ADDR": address,
    }.items()
}


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_process_runs_beside_a_service_named_driftline(tmp_path, command):
    assert len(INJECTED) == 16
    service = Service(tmp_path, command=command, **INJECTED)
    service.start(within_seconds=90)
    try:
        assert httpx.get(f"{service.url}/livez", timeout=10).text == "ok\n"
    finally:
        assert service.stop() == 0
