"""Lists hold what their caller may see."""

from __future__ import annotations

from sqlalchemy import Connection

from monitor.api.access import Caller
from monitor.store import models


def seen_models(conn: Connection, *, caller: Caller) -> list[int] | None:
    """Ids of the models the caller may see; None: every one."""
    if not caller.limited:
        return None
    return [id for id, name in models.model_names(conn).items() if caller.sees(name)]
