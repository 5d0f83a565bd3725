"""What is held back now of a version, as answers show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from monitor.alert.holding import held_back
from monitor.model.silences import Held
from monitor.model.time import rfc3339
from monitor.store.models import get_version_by_id
from monitor.store.silences import silences_since, snoozes_since
from monitor.store.verdicts import get_states

Key = tuple[int, str, str]  # (version id, check, segment)


def held_now(conn: Connection, *, version_ids: Iterable[int], now_us: int) -> dict[Key, Held]:
    """Version id, check and segment → why nobody is told of it now, for what is held back of those versions."""
    silences = silences_since(conn, since_us=now_us)
    snoozes = snoozes_since(conn, since_us=now_us)
    found: dict[Key, Held] = {}
    if not silences and not snoozes:
        return found
    for version_id in sorted(version_ids):
        model, version = get_version_by_id(conn, id=version_id)
        quiet = (silences.get(model.id, ()), snoozes.get(version_id, ()))
        states = get_states(conn, version_id=version_id).values() if any(quiet) else ()
        for state in states:
            held = held_back(state, version=version.name, silences=quiet[0], snoozes=quiet[1], now_us=now_us)
            if held is not None:
                found[version_id, state.check, state.segment] = held
    return found


def held_shape(held: Held | None) -> dict[str, Any] | None:
    """Why nobody is told, and until when."""
    if held is None:
        return None
    prefix = "sil" if held.by == "silence" else "al"
    return {
        "by": held.by, "id": f"{prefix}_{held.id}", "reason": held.reason, "until": rfc3339(held.until_us)
    }  # fmt: skip
