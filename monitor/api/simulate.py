"""``POST …/checks/simulate``: how often given checks would have fired on stored windows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, get_args

from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from monitor.alert.tally import CheckTally, Tally
from monitor.api.answer_shapes import JSON
from monitor.api.body import JsonObject
from monitor.api.params import ModelName, Span
from monitor.api.render import accepted, answer, encode_json
from monitor.api.routing import M, Operation, json_body
from monitor.api.services import Parts, Services
from monitor.evaluate.context import checks_of
from monitor.evaluate.simulate import Checks, Stretch, Trial, given
from monitor.model.checks import Check, parse_checks
from monitor.model.entities import Model, Version
from monitor.model.errors import DriftlineError, InvalidInput
from monitor.model.names import nearest, valid_name
from monitor.model.results import Status
from monitor.model.time import rfc3339
from monitor.store import versions

MOST_COLUMNS = 100  # of one check: the worst ones
NDJSON = "application/x-ndjson"
_STATUSES: tuple[Status, ...] = get_args(Status)
_EVERY = 20  # windows between two words on progress


def post_simulate(
    model: ModelName,
    body: JsonObject,
    span: Span,
    request: Request,
    services: Parts,
    version: Annotated[str | None, Query(max_length=128, description="the newest live one unless told")] = None,
) -> Response:
    """What the body's checks would have said of the judged windows that start in ``[from, to)``; nothing is written.

    With ``Accept: application/x-ndjson`` lines ``{"progress", "windows"}`` come first, and last ``{"result"}``.
    """
    checks = _checks(body)
    with services.store.read() as conn:
        owner, found = (
            versions.newest_live_version(conn, model=model) if version is None
            else versions.get_version(conn, model=model, version=valid_name(version, kind="version"))
        )  # fmt: skip
    stretch = services.simulator.stretch(version_id=found.id, from_us=span.from_us, to_us=span.to_us)
    steps = _steps(services, stretch=stretch, model=owner, version=found, checks=checks)
    if accepted(request, offered=("application/json", NDJSON)) == NDJSON:
        first = next(steps)  # what fails at once is an error answer and no broken stream
        return StreamingResponse(_lines(chain([first], steps)), media_type=NDJSON)
    *_, last = steps
    return answer(last["result"])


def _steps(
    services: Services, *, stretch: Stretch, model: Model, version: Version, checks: Checks
) -> Iterator[dict[str, Any]]:
    """``{"progress", "windows"}`` now and then, and last ``{"result"}``; the one place is held until the end."""
    in_force: Checks = None if model.settings.get("checks") is None else checks_of(model)
    simulator = services.simulator
    with simulator.claimed():
        yield {"progress": 0.0, "windows": stretch.windows}
        trial = Trial([given(checks), given(in_force)])
        retried = simulator.retry(
            simulator.windows(stretch), version_id=version.id, sets=[checks, in_force], now_us=services.now_us()
        )
        ends: list[int] = []
        for done, one in enumerate(retried, start=1):
            trial.add(one)
            ends = [*(ends[:1] or [one.window.start_us]), one.window.end_us]
            if done % _EVERY == 0:
                yield {"progress": min(done / max(stretch.windows, 1), 1.0), "windows": stretch.windows}
    yield {"result": _result(trial, model=model, version=version, ends=ends)}


def _lines(steps: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The steps as lines; an error on the way is the last of them."""
    try:
        for step in steps:
            yield encode_json(step) + b"\n"
    except DriftlineError as error:
        problem = {"title": error.title, "status": error.status, "detail": error.detail}
        yield json.dumps({"problem": problem}).encode() + b"\n"


def _checks(body: dict[str, Any]) -> Checks:
    for key in body:
        if key != "checks":
            raise InvalidInput(f"field {key[:40]!r} is not known{nearest(key, ('checks',))}: expected checks")
    if "checks" not in body:
        raise InvalidInput('expected {"checks": […]} as PUT /api/v1/models/{model} takes them; null: the default ones')
    return None if body["checks"] is None else parse_checks(body["checks"])


def _result(trial: Trial, *, model: Model, version: Version, ends: Sequence[int]) -> dict[str, Any]:
    per_month = model.window.per_month
    tried, in_force = (
        [check_shape(tally, windows_per_month=per_month) for tally in tallies.values()] for tallies in trial.tallies
    )
    return {
        "model": model.name, "version": version.name,
        "from": rfc3339(ends[0]) if ends else None, "to": rfc3339(ends[-1]) if ends else None,
        "windows": trial.windows, "windows_per_month": per_month, "skipped": dict(trial.skipped),
        "recorded": {status: trial.recorded[status] for status in _STATUSES},
        "checks": tried, "in_force": in_force,
    }  # fmt: skip


def check_shape(tally: CheckTally, *, windows_per_month: float) -> dict[str, Any]:
    """A check's tally as the API shows it, its columns behind it, the worst first."""
    check: Check = tally.check
    columns = sorted(tally.columns.items(), key=lambda item: (_worth(item[1]), item[0]))
    return {
        "name": check.name, "kind": check.kind, "metric": check.metric, "severity": check.severity,
        **tally_shape(tally.whole, windows_per_month=windows_per_month),
        "columns": [
            {"column": column, "metric": metric, **tally_shape(one, windows_per_month=windows_per_month)}
            for (column, metric), one in columns[:MOST_COLUMNS]
        ],
        "columns_left_out": max(len(columns) - MOST_COLUMNS, 0),
    }  # fmt: skip


def tally_shape(tally: Tally, *, windows_per_month: float) -> dict[str, Any]:
    """Counts of windows by verdict, the alarms they would have raised, and their rate with its 95 % interval."""
    rate = tally.alarms(windows_per_month=windows_per_month)
    return {
        "windows": tally.windows, **{status: tally.statuses[status] for status in _STATUSES},
        "reasons": dict(tally.reasons), "in_alarm": tally.in_alarm, "in_warning": tally.in_warning,
        "episodes": tally.episodes,
        "per_month": None if rate is None else rate.per_month,
        "lower": None if rate is None else rate.lower, "upper": None if rate is None else rate.upper,
        "first": [rfc3339(start) for start in tally.first], "last": [rfc3339(start) for start in tally.last],
    }  # fmt: skip


def _worth(tally: Tally) -> tuple[int, int, int]:
    return -tally.statuses["alert"], -tally.statuses["warning"], -tally.statuses["unknown"]


_BODY = {
    "type": "object", "required": ["checks"],
    "properties": {"checks": {"type": ["array", "null"], "items": {"type": "object"},
                              "description": "as PUT /models/{model} takes them; null: the default ones"}},
    "examples": [{"checks": [{"name": "psi", "kind": "drift", "threshold": 0.2}]}],
}  # fmt: skip

OPERATIONS = (
    Operation(method="POST", path=f"{M}/checks/simulate", endpoint=post_simulate, tag="models", body=json_body(_BODY),
              summary="How often given checks would have fired on stored windows",
              answers={200: "by check and column; as application/x-ndjson with progress",
                       503: "another simulation runs"}, gives=(JSON, NDJSON)),
)  # fmt: skip
