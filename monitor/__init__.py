"""Driftline: a service that watches machine-learning models in production.

The packages, in the order the data flows through them:

    model      nouns as frozen dataclasses; errors                       pure
    columns    records in columnar form: types, roles, inference         pure
    profile    layouts and mergeable profiles of a window                pure
    drift      one metric a file; comparison of two profiles             pure
    quality    data-quality measurements of one profile                  pure
    performance  scorecards of outcomes; metrics with intervals       pure
    alert      calibration, thresholds, verdicts, transitions            pure
    explain    why a check failed: direction, since when, how rare, in words   pure
    configuration  model files to models, their difference to what is stored   pure
    store      the only package that knows SQL
    ingest     wire formats to columnar batches; group commit
    evaluate   the steps: read, decide (pure), write
    export     Prometheus text from a cached snapshot
    rollout    configuration and new versions brought into force
    jobs       when the steps run; claims and leases
    verify     a store's own invariants held against what it holds
    compare    two files or frames held against each other, no server
    api, cli   faces: parse, call one step, render
    demo       a year of real flights through the real service
    app        the composition root: wires concrete things, owns the clock
    settings   one table of settings: environment, command line, docs
    telemetry, tracing   the process's own counters; spans of OpenTelemetry
    repeated, noise   what a thread calls again and again until the process ends; the system's random bytes
    server_file, tokens_file   what the administrator keeps in files, read strictly

Imports go down only; ``pyproject.toml`` holds the contracts and the tests run them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "check"]

if TYPE_CHECKING:
    from monitor.compare import check


def __getattr__(name: str) -> Any:
    """Import ``monitor.check`` only when it is asked for: ``import monitor`` stays quick."""
    if name == "check":
        from monitor.compare import check

        return check
    raise AttributeError(f"module 'monitor' has no attribute {name!r}")
