"""Runs of jobs: claimed by one process at a time, fenced, finished in the transaction of their results.

One row per (job, subject, scheduled time). A claim is a conditional upsert by the database's clock; finishing is an
UPDATE that names owner and fence and must change one row, or the transaction rolls back (``FenceLost``).
States: queued → running → done or failed; a running one whose lease has passed may be claimed again, five times in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from monitor.model.errors import FenceLost, NotFound
from monitor.store import dialect, jsontext, tables

ATTEMPTS = 5
_t = tables.job_run
_r = tables.job_run.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to do one run until the lease passes; ``fence`` grows with every claim of the same run."""

    id: int
    job: str
    subject: str
    scheduled_us: int
    owner: str
    fence: int
    attempt: int
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run as stored: ``state`` queued, running, done or failed; ``progress`` in 0..1."""

    id: int
    job: str
    subject: str
    scheduled_us: int
    state: str
    owner: str
    fence: int
    attempt: int
    lease_us: int
    progress: float
    params: dict[str, Any]
    error: str | None
    created_us: int
    finished_us: int | None


def model_subject(model_id: int) -> str:
    """The subject of a whole model's work; that of a version is its id.

    >>> model_subject(12)
    'm12'
    """
    return f"m{model_id}"


def model_of(subject: str) -> int | None:
    """The model's id where the subject is a whole model's work, None where it is a version's.

    >>> model_of("m12"), model_of("12")
    (12, None)
    """
    return int(subject[1:]) if subject.startswith("m") else None


def claim(conn: Connection, *, job: str, subject: str, scheduled_us: int, owner: str, lease_us: int) -> Claim | None:
    """The claim of that run, new or taken over after its lease has passed, or None: somebody has it or it is over."""
    asked = {
        "job": job, "subject": subject, "scheduled_us": scheduled_us, "owner": owner, "lasting_us": lease_us
    }  # fmt: skip
    row = conn.execute(_claiming(conn.dialect.name), asked).first()
    if row is None:
        return None
    return Claim(
        id=row.id, job=job, subject=subject, scheduled_us=scheduled_us, owner=owner,
        fence=row.fence, attempt=row.attempt, params=jsontext.load(row.params),
    )  # fmt: skip


@cache  # built once a dialect: building it costs several times what running it does
def _claiming(dialect_name: str) -> Any:
    now = dialect.clock(dialect_name)
    until = now + bindparam("lasting_us", type_=BigInteger)
    first = {
        "state": "running", "fence": 1, "attempt": 1, "lease_us": until, "progress": 0.0, "params": "{}",
        "created_us": now,
    } | {name: bindparam(name) for name in ("job", "subject", "scheduled_us", "owner")}  # fmt: skip
    again = {
        "state": "running", "owner": bindparam("owner"), "fence": _r.fence + 1, "attempt": _r.attempt + 1,
        "lease_us": until,
    }  # fmt: skip
    free = and_(_r.state.in_(("queued", "running")), _r.lease_us < now, _r.attempt < ATTEMPTS)
    o = _t.alias().c
    # Whoever ends or fails a run holds its row meanwhile, and an upsert would wait for that. A plain look need not.
    taken = exists().where(
        o.job == bindparam("job"), o.subject == bindparam("subject"), o.scheduled_us == bindparam("scheduled_us"),
        not_(and_(o.state.in_(("queued", "running")), o.lease_us < now, o.attempt < ATTEMPTS)),
    )  # fmt: skip
    row = select(*(_typed(value, column=_r[name]) for name, value in first.items())).where(~taken)
    put = dialect.insert_into(dialect_name, _t).from_select(list(first), row)
    put = put.on_conflict_do_update(index_elements=["job", "subject", "scheduled_us"], set_=again, where=free)
    return put.returning(_r.id, _r.fence, _r.attempt, _r.params)


def _typed(value: Any, *, column: Any) -> Any:
    """The value as a column of a SELECT: PostgreSQL does not guess what a bare parameter is there."""
    return cast(value, column.type)


def heartbeat(conn: Connection, claims: Sequence[Claim], *, lease_us: int) -> set[int]:
    """Renews the leases to ``lease_us`` from now; the ids of those claims that are still ours."""
    kept: set[int] = set()
    for some in dialect.slices([(claim.id, claim.fence) for claim in claims]):
        ours = and_(tuple_(_r.id, _r.fence).in_(some), _r.owner == claims[0].owner, _r.state == "running")
        change = update(_t).where(ours).values(lease_us=dialect.now_us(conn) + lease_us)
        kept.update(conn.execute(change.returning(_r.id)).scalars())
    return kept


def lapse(conn: Connection, claim: Claim, *, error: str, retry_in_us: int) -> None:
    """Ends the lease of an attempt that does not come to an end: from ``retry_in_us`` on somebody else may try.

    Until somebody does, the attempt may still finish. ``FenceLost`` where it is no longer ours.
    """
    _change(conn, claim, error=error[:4000], lease_us=dialect.now_us(conn) + retry_in_us - 1)


def progress(conn: Connection, claim: Claim, *, ratio: float) -> None:
    """Notes how much is done, 0..1, or raises ``FenceLost``."""
    _change(conn, claim, progress=min(1.0, max(0.0, ratio)))


def check_fence(conn: Connection, claim: Claim) -> None:
    """Returns while the claim is ours, and holds it for this transaction; else ``FenceLost``."""
    _change(conn, claim, owner=claim.owner)


def finish(conn: Connection, claim: Claim, *, state: str = "done") -> None:
    """Ends the run, in the transaction that writes its results; ``FenceLost`` rolls both back."""
    _held(conn, claim, change=_finishing(conn.dialect.name, state))


@cache  # built once a dialect: every fold and every window ends by it
def _finishing(dialect_name: str, state: str) -> Update:
    ended: dict[str, Any] = {"state": state, "finished_us": dialect.clock(dialect_name)}
    return _HELD.values(**ended, **({"progress": 1.0, "error": None} if state == "done" else {}))


def fail(conn: Connection, claim: Claim, *, error: str, retry_in_us: int = 0) -> str:
    """The state after a failed attempt: ``queued`` again, not before ``retry_in_us``, or ``failed`` after the fifth."""
    over = claim.attempt >= ATTEMPTS
    now = dialect.now_us(conn)
    state = "failed" if over else "queued"
    _change(
        conn, claim, state=state, error=error[:4000], lease_us=now + retry_in_us - 1, finished_us=now if over else None
    )
    return state


def release(conn: Connection, claim: Claim) -> None:
    """Gives an unfinished run back at once, as if it had not been tried; ``FenceLost`` where it is no longer ours."""
    _change(conn, claim, state="queued", owner="", lease_us=0, attempt=_r.attempt - 1)


def enqueue(
    conn: Connection,
    *,
    job: str,
    subject: str,
    scheduled_us: int,
    params: dict[str, Any] | None = None,
    delay_us: int = 0,
) -> int:
    """The id of a new queued run, or of the one that (job, subject, scheduled time) has already.

    It may be claimed when ``delay_us`` have passed.
    """
    now = dialect.now_us(conn)
    put = dialect.insert(conn, _t).values(
        job=job, subject=subject, scheduled_us=scheduled_us, state="queued", owner="", fence=0, attempt=0,
        lease_us=now + delay_us if delay_us else 0, progress=0.0, params=jsontext.dump(params or {}), created_us=now,
    )  # fmt: skip
    put = put.on_conflict_do_update(index_elements=["job", "subject", "scheduled_us"], set_={"job": put.excluded.job})
    return int(conn.execute(put.returning(_r.id)).scalar_one())


def enqueue_soon(conn: Connection, *, job: str, subject: str, scheduled_us: int, delay_us: int) -> None:
    """Queues a run after ``delay_us``, unless one waits already: that one will see what this transaction writes.

    A run that waits is held until the transaction ends, so that nobody begins it before. Scheduled behind every
    earlier one of the same subject.
    """
    here = (_r.job == job, _r.subject == subject)
    waits = select(_r.id).where(*here, _r.state == "queued").limit(1).with_for_update()
    if conn.execute(waits).first() is not None:
        return
    last_us = conn.execute(select(func.max(_r.scheduled_us)).where(*here)).scalar()
    at_us = scheduled_us if last_us is None else max(scheduled_us, last_us + 1)
    enqueue(conn, job=job, subject=subject, scheduled_us=at_us, delay_us=delay_us)


def next_queued(conn: Connection, *, jobs: Sequence[str] | None = None) -> JobRun | None:
    """The oldest run that may be claimed now (queued, or left behind by its owner), of the named jobs or of any."""
    found = list_open(conn, jobs=jobs, limit=1)
    return found[0] if found else None


def list_open(conn: Connection, *, jobs: Sequence[str] | None = None, limit: int = 1000) -> list[JobRun]:
    """Runs that may be claimed now, oldest scheduled first."""
    query = select(_t).where(
        _r.state.in_(("queued", "running")), _r.lease_us < dialect.now_us(conn), _r.attempt < ATTEMPTS
    )
    if jobs is not None:
        query = query.where(_r.job.in_(jobs))
    return [_run(row) for row in conn.execute(query.order_by(_r.scheduled_us, _r.id).limit(limit))]


def get_job(conn: Connection, *, id: int) -> JobRun:
    """The run of that id, or ``NotFound``."""
    row = conn.execute(select(_t).where(_r.id == id)).first() if dialect.is_id(id) else None
    if row is None:
        raise NotFound(f"job {id} does not exist")
    return _run(row)


def get_run(conn: Connection, *, job: str, subject: str, scheduled_us: int) -> JobRun | None:
    """The run of that occurrence, if it was ever claimed or queued."""
    row = conn.execute(select(_t).where(_r.job == job, _r.subject == subject, _r.scheduled_us == scheduled_us)).first()
    return None if row is None else _run(row)


def failed_runs(conn: Connection, *, since_us: int, limit: int = 100) -> list[JobRun]:
    """Runs that failed for good since then, the last one first."""
    query = select(_t).where(_r.state == "failed", _r.finished_us >= since_us)
    return [_run(row) for row in conn.execute(query.order_by(_r.finished_us.desc()).limit(limit))]


def is_open(conn: Connection, *, job: str, subject: str, scheduled_us: int) -> bool:
    """Whether that occurrence is still to be done, by whoever has it or may have it later."""
    run = get_run(conn, job=job, subject=subject, scheduled_us=scheduled_us)
    return run is not None and run.state in ("queued", "running")


def left_behind(conn: Connection) -> list[int]:
    """The ids of runs that were left behind in their fifth attempt, oldest first."""
    return list(conn.execute(select(_r.id).where(_left_behind(conn)).order_by(_r.id)).scalars())


def sweep(conn: Connection, *, id: int) -> JobRun | None:
    """The run left behind, set to ``failed`` now; None where somebody else has done so.

    In the transaction that shows what it did not do: else a crash between the two would leave a window nobody tries
    and nobody sees.
    """
    reason = func.coalesce(_r.error, literal("the process that ran it stopped"))
    change = update(_t).where(_r.id == id, _left_behind(conn))
    change = change.values(state="failed", finished_us=dialect.now_us(conn), fence=_r.fence + 1, error=reason)
    row = conn.execute(change.returning(_t)).first()
    return None if row is None else _run(row)


def _left_behind(conn: Connection) -> ColumnElement[bool]:
    return and_(
        _r.state.in_(("queued", "running")), _r.lease_us < dialect.now_us(conn), _r.attempt >= ATTEMPTS
    )  # fmt: skip


def cancel_subjects(conn: Connection, *, subjects: Sequence[str]) -> None:
    """Ends the open runs of the subjects: their owners lose the fence."""
    for some in dialect.slices(subjects):
        conn.execute(
            update(_t)
            .where(_r.subject.in_(some), _r.state.in_(("queued", "running")))
            .values(state="failed", error="deleted", fence=_r.fence + 1, finished_us=dialect.now_us(conn))
        )


def purge_runs(conn: Connection, *, before_us: int, unneeded: Sequence[str] = (), limit: int = 10_000) -> int:
    """How many runs that ended before ``before_us`` were removed, at most ``limit``.

    Of the jobs ``unneeded`` also those that were given back untried by then, and that nobody came back to.
    """
    untried = and_(_r.state == "queued", _r.attempt == 0, _r.job.in_(unneeded), _r.created_us < before_us)
    old = select(_r.id).where(or_(_r.finished_us < before_us, untried)).limit(limit)
    return conn.execute(delete(_t).where(_r.id.in_(old))).rowcount


def _change(conn: Connection, claim: Claim, **values: Any) -> None:
    _held(conn, claim, change=_HELD.values(**values))


def _held(conn: Connection, claim: Claim, *, change: Update) -> None:
    """Changes the run while the claim is ours, else ``FenceLost``."""
    if conn.execute(change, {"this": claim.id, "by": claim.owner, "at": claim.fence}).rowcount != 1:
        raise FenceLost(f"{claim.job} of {claim.subject} at {claim.scheduled_us}: another process took it over")


_HELD = update(_t).where(
    _r.id == bindparam("this"), _r.owner == bindparam("by"), _r.fence == bindparam("at"), _r.state == "running"
)  # fmt: skip


def _run(row: Row[Any]) -> JobRun:
    return JobRun(**{**row._mapping, "params": jsontext.load(row.params)})
