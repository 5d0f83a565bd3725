"""``POST …/drill``: would an alert reach somebody, and would a fault in the data be found?"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from monitor.api.access import API
from monitor.api.body import JsonObject
from monitor.api.drill_shapes import data_shape, route_shape
from monitor.api.params import ModelName, VersionName
from monitor.api.render import answer
from monitor.api.routing import Operation, V, json_body
from monitor.api.services import Parts, Services
from monitor.columns.change import parse_change
from monitor.evaluate.data_drill import MOST_WINDOWS, USUAL_WINDOWS, DataDriller
from monitor.model.entities import Version
from monitor.model.errors import Conflict, InvalidInput
from monitor.model.names import nearest
from monitor.model.time import HOUR_US, MINUTE_US, SECOND_US, parse_duration
from monitor.store import drills, versions

KINDS = ("route", "data")
SEVERITIES = ("warning", "critical")
USUAL_TIMEOUT_US = 15 * MINUTE_US
LEAST_TIMEOUT_US, MOST_TIMEOUT_US = 10 * SECOND_US, 6 * HOUR_US
_FIELDS = {"route": ("kind", "severity", "timeout"), "data": ("kind", "column", "change", "windows")}


def post_drill(model: ModelName, version: VersionName, body: JsonObject, services: Parts) -> Response:
    """Raises a test check and answers 202, or runs the last window's rows, changed, in a shadow and answers 200."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
    kind = body.get("kind")
    if kind not in KINDS:
        raise InvalidInput(f"kind {str(kind)[:40]!r} is not known{nearest(str(kind), KINDS)}: expected route or data")
    for key in body:
        if key not in _FIELDS[kind]:
            hint = nearest(key, _FIELDS[kind])
            raise InvalidInput(
                f"field {key[:40]!r} is not of a {kind} drill{hint}: expected {', '.join(_FIELDS[kind])}"
            )
    return _route(services, body, model=model, found=found) if kind == "route" else _data(services, body, model, found)


def get_drill(model: ModelName, version: VersionName, services: Parts) -> Response:
    """The newest drill of the version's route: whether, when and by which receiver it came back."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        drill = drills.newest_drill(conn, version_id=found.id)
    return answer(route_shape(drill, model=model, now_us=services.now_us()))


def _route(services: Services, body: dict[str, Any], *, model: str, found: Version) -> Response:
    severity = body.get("severity") or "warning"
    if severity not in SEVERITIES:
        hint = nearest(str(severity), SEVERITIES)
        raise InvalidInput(f"severity {str(severity)[:40]!r} is not known{hint}: expected warning or critical")
    timeout_us = _timeout_us(body.get("timeout"))
    if found.state == "retired":
        raise Conflict(f"version {found.name!r} is retired and has no series: drill a live or a shadow one")
    now_us = services.now_us()
    with services.store.write() as conn:
        drill = drills.begin_drill(
            conn, version=found, severity=severity, now_us=now_us, ends_us=now_us + timeout_us
        )  # fmt: skip
    where = f"{API}/models/{model}/versions/{found.name}/drill"
    return answer(route_shape(drill, model=model, now_us=now_us), status=202, headers={"Location": where})


def _data(services: Services, body: dict[str, Any], model: str, found: Version) -> Response:
    column, windows = body.get("column"), body.get("windows", USUAL_WINDOWS)
    if not isinstance(column, str):
        raise InvalidInput(f"column: expected the name of a monitored column, found {str(column)[:40]!r}")
    if isinstance(windows, bool) or not isinstance(windows, int) or not 1 <= windows <= MOST_WINDOWS:
        raise InvalidInput(f"windows: expected a whole number from 1 to {MOST_WINDOWS}, found {str(windows)[:40]!r}")
    change = parse_change(body.get("change"))
    driller = DataDriller(services.store, evaluator=services.simulator.evaluator)
    with services.simulator.claimed():
        drill = driller.drill(version_id=found.id, column=column, change=change, windows=windows)
    return answer(data_shape(drill, model=model, version=found.name))


def _timeout_us(value: Any) -> int:
    if value is None:
        return USUAL_TIMEOUT_US
    found = parse_duration(value, name="timeout") if isinstance(value, str) and len(value) <= 12 else 0
    if not LEAST_TIMEOUT_US <= found <= MOST_TIMEOUT_US:
        raise InvalidInput(f"timeout: expected a text from 10s to 6h, such as 15m, found {str(value)[:40]!r}")
    return found


_BODY = {
    "type": "object", "required": ["kind"],
    "properties": {
        "kind": {"enum": list(KINDS)},
        "severity": {"enum": list(SEVERITIES), "default": "warning", "description": "of a route drill"},
        "timeout": {"type": "string", "default": "15m", "description": "when a route drill ends by itself"},
        "column": {"type": "string", "description": "of a data drill: a monitored column"},
        "change": {
            "type": "object", "description": "of a data drill: one of them",
            "properties": {"missing": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                           "scale": {"type": "number"}, "shift_sd": {"type": "number"}, "category": {"type": "string"}},
        },
        "windows": {"type": "integer", "minimum": 1, "maximum": MOST_WINDOWS, "default": USUAL_WINDOWS},
    },
    "examples": [
        {"kind": "route", "severity": "critical"},
        {"kind": "data", "column": "age", "change": {"missing": 0.5}},
    ],
}  # fmt: skip

OPERATIONS = (
    Operation(method="POST", path=f"{V}/drill", endpoint=post_drill, tag="alerts", body=json_body(_BODY),
              summary="Fire drill: of the alert's route, or of a fault in the data",
              answers={200: "data: whether and after how many windows it is found",
                       202: "route: the test check is raised",
                       409: "one runs already, or there is nothing to drill", 503: "another drill runs"}),
    Operation(method="GET", path=f"{V}/drill", endpoint=get_drill, tag="alerts",
              summary="The newest drill of the route: whether it came back"),
)  # fmt: skip
