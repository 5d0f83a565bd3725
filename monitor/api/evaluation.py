"""Work that takes a while: windows computed again, new cells for a model, and how far a job is."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Connection
from starlette.responses import Response

from monitor.api.access import API, Caller
from monitor.api.answer_shapes import shape_of
from monitor.api.params import ModelName, Span, VersionName
from monitor.api.render import answer
from monitor.api.routing import M, Operation, V
from monitor.api.services import Calling, Parts, Services
from monitor.evaluate.recompute import request_recompute
from monitor.evaluate.relayout import request_relayout
from monitor.model.errors import NotFound
from monitor.store import models, runs, versions
from monitor.store.runs import JobRun, model_of

_ID = re.compile(r"(?:job_)?([1-9]\d{0,17})")


def post_evaluate(model: ModelName, version: VersionName, span: Span, services: Parts) -> Response:
    """A job that computes the closed windows that start in ``[from, to)`` again from their stored rows."""
    with services.store.write() as conn:
        _, found = versions.get_version(conn, model=model, version=version)
        id = request_recompute(
            conn, version_id=found.id, from_us=span.from_us, to_us=span.to_us, now_us=services.now_us()
        )
        job = runs.get_job(conn, id=id)
    return _accepted(services, job)


def post_relayout(
    model: ModelName,
    services: Parts,
    reference: Annotated[
        int | None, Query(ge=1, lt=2**63, description="of the newest live version; its active one unless told")
    ] = None,
) -> Response:
    """A job that makes the model's cells anew from a reference and profiles the stored rows again."""
    with services.store.write() as conn:
        _, found = versions.newest_live_version(conn, model=model)
        id = request_relayout(conn, version_id=found.id, number=reference, now_us=services.now_us())
        job = runs.get_job(conn, id=id)
    return _accepted(services, job)


def get_job(job: str, services: Parts, caller: Calling) -> Response:
    """How far the job is."""
    match = _ID.fullmatch(job)
    if match is None:
        raise NotFound(f"job {job[:40]!r} does not exist: expected an id such as job_12")
    with services.store.read() as conn:
        found = runs.get_job(conn, id=int(match[1]))
        if caller.limited and not _sees(conn, caller, found):  # the answer is that of a job that is not there
            raise NotFound(f"job {match[1]} does not exist")
    return answer(job_shape(found))


def _sees(conn: Connection, caller: Caller, run: JobRun) -> bool:
    try:
        model_id = model_of(run.subject)
        model = (
            versions.get_version_by_id(conn, id=int(run.subject))[0]
            if model_id is None else models.get_model_by_id(conn, id=model_id)
        )  # fmt: skip
    except NotFound:  # deleted meanwhile
        return False
    return caller.sees(model.name)


def job_shape(run: JobRun) -> dict[str, Any]:
    """A job as the API shows it; ``error`` is that of the last attempt."""
    shape: dict[str, Any] = {"id": f"job_{run.id}", "state": run.state, "progress": run.progress}
    return shape if run.error is None else shape | {"error": run.error}


def _accepted(services: Services, job: JobRun) -> Response:
    if services.jobs is not None:
        services.jobs.wake()
    shape = job_shape(job)
    return answer(shape, status=202, headers={"Location": f"{API}/jobs/{shape['id']}"})


_JOB = {202: "a job: ask GET /api/v1/jobs/{id} how far it is"}
OPERATIONS = (
    Operation(method="POST", path=f"{V}/evaluate", endpoint=post_evaluate, answers=_JOB, tag="jobs",
              shape=shape_of("Job"),
              summary="Compute windows again from stored rows"),
    Operation(method="POST", path=f"{M}/relayout", endpoint=post_relayout, answers=_JOB, tag="jobs",
              shape=shape_of("Job"),
              summary="Make new cells from a reference and profile stored rows again"),
    Operation(method="GET", path=f"{API}/jobs/{{job}}", endpoint=get_job, summary="How far a job is", tag="jobs",
              shape=shape_of("Job")),
)  # fmt: skip
