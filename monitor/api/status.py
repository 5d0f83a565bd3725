"""``GET …/status``: where a version stands and what it waits for."""

from __future__ import annotations

from starlette.responses import Response

from monitor.api.answer_shapes import shape_of
from monitor.api.params import ModelName, VersionName
from monitor.api.render import answer
from monitor.api.routing import Operation, V
from monitor.api.services import Parts
from monitor.evaluate.status import version_status
from monitor.store import versions


def get_status(model: ModelName, version: VersionName, services: Parts) -> Response:
    """Checks with what they need, the open window, the next verdict, the calibration."""
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        return answer(version_status(conn, contexts=services.contexts, version_id=found.id, now_us=services.now_us()))


OPERATIONS = (
    Operation(method="GET", path=f"{V}/status", endpoint=get_status, tag="results",
              summary="Where a version stands and what it waits for", shape=shape_of("Status")),
)  # fmt: skip
