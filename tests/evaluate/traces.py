"""Everything that a store holds, to see that nothing left a trace."""

from __future__ import annotations

import sqlalchemy as sa

from monitor.store import Store, tables


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Table → its rows as stored, in an order that does not depend on the database."""
    found = {}
    with store.read() as conn:
        for name, table in tables.metadata.tables.items():
            rows = [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in r) for r in conn.execute(sa.select(table))
            ]
            found[name] = sorted(rows, key=repr)
    return found
