"""``driftline results``, ``driftline status``, ``driftline evaluate``."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from monitor.cli.models import Model, Version
from monitor.cli.output import cell, print_fields, print_json, print_table
from monitor.cli.server import Json, Server, ServerRefused, Token, Url, ask, listed, version_path

From = Annotated[str | None, typer.Option("--from", help="at or after (RFC 3339)", show_default=False)]
To = Annotated[str | None, typer.Option("--to", help="before (RFC 3339)", show_default=False)]
_COLUMNS = ("window_start", "segment", "column", "metric", "check", "value", "threshold", "rows", "status", "reason")
_POLL_SECONDS = 0.5


def results(
    model: Model,
    version: Version,
    from_: From = None,
    to: To = None,
    metric: Annotated[str | None, typer.Option(help="only this metric")] = None,
    column: Annotated[str | None, typer.Option(help="only this column")] = None,
    segment: Annotated[
        str | None, typer.Option(help="only this segment, '' for all traffic [default: all traffic and every segment]")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="drift, quality, volume or schema")] = None,
    latest: Annotated[bool, typer.Option("--latest", help="only the newest judged window")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="and the open window, computed now")] = False,
    limit: Annotated[int, typer.Option(min=1, help="the most rows")] = 1_000,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """What judged windows were found to be, newest first.

    Example: driftline results churn 42 --latest
    """
    params: dict[str, Any] = {
        "from": from_, "to": to, "metric": metric, "column": column, "segment": segment, "kind": kind,
        "limit": min(limit, 10_000),
        "latest": "true" if latest else None, "partial": "true" if partial else None,
    }  # fmt: skip
    rows = listed(url, token, version_path(model, version, "results"), params=params, limit=limit)
    if as_json:
        print_json(rows)
        return
    print_table(rows, columns=_COLUMNS)


def status(model: Model, version: Version, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """Checks, the open window, when the next verdict comes, and why what fires does.

    Example: driftline status churn 42
    """
    answer = ask(url, token, "GET", version_path(model, version, "status")).json()
    if as_json:
        print_json(answer)
        return
    print_fields({name: value for name, value in answer.items() if name not in ("checks", "segments")})
    sys.stdout.write("\n")
    in_segments = [check | {"segment": one["segment"]} for one in answer.get("segments", ()) for check in one["checks"]]
    print_table(
        [check | {"segment": ""} for check in answer["checks"]] + in_segments,
        columns=(
            "name",
            "segment",
            "kind",
            "status",
            "since",
            "value",
            "threshold",
            "rows",
            "needs",
            "columns_failing",
            "top",
        ),
    )
    for alert in listed(url, token, "alerts", params={"state": "firing", "model": model}):
        if alert["version"] == version:
            sys.stdout.write(f"\n{alert['id']}  {cell(alert['explanation'])}\n")


def evaluate(
    model: Model,
    version: Version,
    from_: From = None,
    to: To = None,
    wait: Annotated[bool, typer.Option("--wait", help="until the job is done")] = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Computes windows again from stored rows.

    Example: driftline evaluate churn 42 --from 2026-03-01 --wait
    """
    params = {name: value for name, value in (("from", from_), ("to", to)) if value is not None}
    with Server(url=url, token=token) as server:
        path = version_path(model, version, "evaluate")
        job = server.call("POST", path, params=params, repeat=True).json()
        while wait and job["state"] in ("queued", "running"):
            time.sleep(_POLL_SECONDS)
            job = server.call("GET", f"jobs/{job['id']}").json()
    if as_json:
        print_json(job)
    else:
        print_fields(job)
    if job["state"] == "failed":
        raise ServerRefused(f"job {job['id']} failed: {job.get('error')}")
