"""Notifications as rows, each held to the transition it tells of; the same one again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, func, select

from monitor.model.notifications import Notification
from monitor.model.time import SECOND_US
from monitor.store import dialect, jsontext, tables

KEPT_OF_ONE_ALERT = 100
CLOCKS_APART_US = 60 * SECOND_US  # by which Prometheus's clock may be behind ours
_ROWS = 1_000  # of one statement: 17 parameters each
_n = tables.notification.c
_t = tables.transition.c
_PLAIN = (
    "receiver", "group_key", "fingerprint", "status", "starts_us", "ends_us", "alertname", "model", "version",
    "segment", "severity", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """That somebody was told: by which receiver, when it came here, and of what."""

    receiver: str
    status: str
    at_us: int
    starts_us: int
    ends_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many notifications were new, and how many of those tell of a transition."""

    stored: int
    matched: int


def add_notifications(conn: Connection, found: Sequence[Notification], *, now_us: int) -> Taken:
    """Stores those that are new; of one alert the newest hundred stay."""
    known = _known(conn, [one.key for one in found])
    fresh = {one.key: one for one in found if one.key not in known}
    told = _transitions(conn, fresh.values())
    rows = [
        {name: getattr(one, name) for name in _PLAIN}
        | {"key": key, "received_us": now_us, "group_labels": jsontext.dump(one.group_labels),
           "check_name": one.check, "transition_id": told.get(key)}
        for key, one in fresh.items()
    ]  # fmt: skip
    stored = 0
    for some in dialect.slices(rows, size=_ROWS):
        put = dialect.insert(conn, tables.notification).values(list(some)).on_conflict_do_nothing()
        stored += len(conn.execute(put.returning(_n.id)).all())
    for fingerprint in {one.fingerprint for one in fresh.values()}:
        _thin_out(conn, fingerprint=fingerprint)
    return Taken(stored=stored, matched=sum(row["transition_id"] is not None for row in rows))


def notified_of(conn: Connection, *, transition_ids: Iterable[int]) -> dict[int, list[Notified]]:
    """Transition → what was notified of it, in the order it came; those without any are left out."""
    found: dict[int, list[Notified]] = {}
    for some in dialect.slices(sorted(transition_ids)):
        query = select(tables.notification).where(_n.transition_id.in_(some)).order_by(_n.id)
        for row in conn.execute(query):
            found.setdefault(row.transition_id, []).append(
                Notified(receiver=row.receiver, status=row.status, at_us=row.received_us, starts_us=row.starts_us,
                         ends_us=row.ends_us)
            )  # fmt: skip
    return found


def any_notification(conn: Connection) -> bool:
    """Whether Alertmanager has ever called."""
    return bool(conn.execute(select(exists().where(_n.id.is_not(None)))).scalar())


def purge_notifications(conn: Connection, *, before_us: int) -> None:
    """Removes those that came before."""
    conn.execute(delete(tables.notification).where(_n.received_us < before_us))


def _known(conn: Connection, keys: Sequence[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for some in dialect.slices(keys):
        found.update(bytes(key) for key in conn.execute(select(_n.key).where(_n.key.in_(some))).scalars())
    return found


_NEWEST = (
    select(func.max(_t.id))
    .join_from(tables.transition, tables.version, tables.version.c.id == _t.version_id)
    .join(tables.model, tables.model.c.id == _t.model_id)
    .where(
        tables.model.c.name == bindparam("model"), tables.version.c.name == bindparam("version"),
        tables.version.c.deleted_us.is_(None), _t.check_name == bindparam("check"),
        _t.segment == bindparam("segment"), _t.at_us <= bindparam("until_us"),
    )
)  # fmt: skip


def _transitions(conn: Connection, found: Iterable[Notification]) -> Mapping[bytes, int | None]:
    """Key → the verdict in force when the alert fired, or when it ended: the transition it tells of."""
    return {
        one.key: conn.execute(_NEWEST, {
            "model": one.model, "version": one.version, "check": one.check, "segment": one.segment,
            "until_us": one.about_us + CLOCKS_APART_US,
        }).scalar()
        for one in found if one.on_a_verdict
    }  # fmt: skip


def _thin_out(conn: Connection, *, fingerprint: str) -> None:
    own = select(_n.id).where(_n.fingerprint == fingerprint)
    last = own.order_by(_n.id.desc()).offset(KEPT_OF_ONE_ALERT).limit(1).scalar_subquery()
    conn.execute(delete(tables.notification).where(_n.fingerprint == fingerprint, _n.id <= last))
