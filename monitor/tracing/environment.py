"""What the standard ``OTEL_*`` variables say of traces: on or off, and why not.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whether traces are to be sent; ``warning`` says why they are not although somebody asked for them."""

    on: bool
    warning: str = ""


def asked_for(environment: Mapping[str, str]) -> Asked:
    """What the environment asks for. Nobody's silence is a yes: without a setting nothing is sent anywhere.

    >>> asked_for({}).on, asked_for({"OTEL_TRACES_EXPORTER": "console"}).warning[:44]
    (False, "OTEL_TRACES_EXPORTER is 'console': expected ")
    """
    said = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    exporter = said.get("OTEL_TRACES_EXPORTER", "").lower()
    wanted = exporter not in ("", "none") or (exporter == "" and any(name in said for name in _ENDPOINTS))
    if not wanted or said.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Asked(on=False)
    if exporter not in ("", "otlp"):
        return _refused("OTEL_TRACES_EXPORTER", exporter, expected="otlp or none")
    for name in _PROTOCOLS:
        if name in said:
            if said[name].lower() != "http/protobuf":
                return _refused(name, said[name], expected="http/protobuf (port 4318 of a collector)")
            break
    if not _installed():
        return Asked(on=False, warning="traces are asked for and cannot be sent: install driftline[otel]")
    return Asked(on=True)


def _refused(name: str, value: str, *, expected: str) -> Asked:
    return Asked(on=False, warning=f"{name} is {value[:40]!r}: expected {expected}; no traces are sent")


def _installed() -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("opentelemetry.sdk.trace", _EXPORTER))
    except ModuleNotFoundError:
        return False
