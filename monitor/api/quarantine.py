"""Quarantined records and labels: listed with their reasons, put back through ingest."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from monitor.api.answer_shapes import page_of
from monitor.api.params import ModelName, Page, VersionName
from monitor.api.render import answer, page
from monitor.api.routing import M, Operation, V
from monitor.api.services import Parts
from monitor.ingest.replay import replay_quarantine
from monitor.model.time import rfc3339
from monitor.store import label_quarantine, models, quarantine, versions
from monitor.store.kept_aside import QuarantineRow


def list_quarantine(model: ModelName, version: VersionName, asked: Page, services: Parts) -> Response:
    """Records that could not be used and wait, oldest first."""
    (after,) = asked.after(int) or [0]
    with services.store.read() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        stored = quarantine.list_quarantine(conn, version_id=found.id, after=after, limit=asked.limit)
        more = bool(stored) and quarantine.waits_behind(conn, version_id=found.id, after=stored[-1].id)
    return _shown(stored, more=more)


def list_label_quarantine(model: ModelName, asked: Page, services: Parts) -> Response:
    """Labels that could not be used and wait, oldest first."""
    (after,) = asked.after(int) or [0]
    with services.store.read() as conn:
        found = models.get_model(conn, name=model)
        stored = label_quarantine.list_quarantine(conn, model_id=found.id, after=after, limit=asked.limit)
        more = bool(stored) and label_quarantine.waits_behind(conn, model_id=found.id, after=stored[-1].id)
    return _shown(stored, more=more)


def _shown(stored: list[QuarantineRow], *, more: bool) -> Response:
    return page([quarantine_shape(row) for row in stored], following=[stored[-1].id] if more else None)


def replay(model: ModelName, version: VersionName, services: Parts) -> Response:
    """Puts the oldest thousand waiting records through ingest again, in one transaction."""
    target = services.ingest.targets.load(model, version)
    replayed = replay_quarantine(
        services.store, target=target, clock=services.now_us, limits=services.ingest.receiver.limits
    )
    return answer(replayed.to_json())


def replay_label_quarantine(model: ModelName, services: Parts) -> Response:
    """Puts the oldest thousand waiting labels through ingest again, in one transaction."""
    return answer(services.ingest.replay_labels(model).to_json())


def quarantine_shape(row: QuarantineRow) -> dict[str, Any]:
    """A quarantined record or label as the API shows it; ``record`` is what was sent, as text."""
    return {
        "id": row.id, "received_at": rfc3339(row.received_us), "index": row.position, "code": row.code,
        "message": row.message, "record": row.raw,
    }  # fmt: skip


OPERATIONS = (
    Operation(method="GET", path=f"{V}/quarantine", endpoint=list_quarantine, rows=True, tag="ingest",
              summary="Records that could not be used, with reasons", answers={200: "a page"},
              shape=page_of("Quarantined")),
    Operation(method="POST", path=f"{V}/quarantine/replay", endpoint=replay, tag="ingest",
              summary="Put quarantined records back through ingest", answers={200: "what became of them"}),
    Operation(method="GET", path=f"{M}/labels/quarantine", endpoint=list_label_quarantine, rows=True, tag="ingest",
              summary="Labels that could not be used, with reasons", answers={200: "a page"},
              shape=page_of("Quarantined")),
    Operation(method="POST", path=f"{M}/labels/quarantine/replay", endpoint=replay_label_quarantine, tag="ingest",
              summary="Put quarantined labels back through ingest", answers={200: "what became of them"}),
)  # fmt: skip
