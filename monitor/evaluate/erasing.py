"""An erasure: the ids' records, labels and quarantined rows out of a model, in short steps that can be done again.

Step after step goes through everything from the start; what an attempt that was cut off has erased is not found again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from sqlalchemy import Connection

from monitor.columns.keyed_ids import Hashes
from monitor.evaluate.erase_labels import erase_aside, erase_labels
from monitor.evaluate.erase_log import erase_records
from monitor.evaluate.erase_windows import erase_windows
from monitor.evaluate.guard import Guard
from monitor.store import label_quarantine, quarantine
from monitor.store.engine import Store
from monitor.store.erasures import Erasure, Found, count_found, get_erasure
from monitor.store.holds import refuse_held
from monitor.store.models import get_model_by_id, list_versions


def erase(
    store: Store, *, model_id: int, erasure_id: int, hashes: Hashes, progressing: Callable[[float], Guard]
) -> Erasure:
    """The erasure with all that was found. ``hashes`` are those of the ids, ascending.

    The quarantines go first: what is put back from them while this runs is in the log then.
    """
    with store.read() as conn:
        model = get_model_by_id(conn, id=model_id)
        versions = list_versions(conn, model_id=model_id, limit=10_000)
    telling = partial(_tell, model_id=model_id, erasure_id=erasure_id)
    parts = 3 * len(versions) + 2
    at = [partial(telling, progressing(done / parts)) for done in range(parts)]
    for position, version in enumerate(versions):
        erase_aside(store, shelf=quarantine.SHELF, owner_id=version.id, hashes=hashes, guard=at[position])
    erase_aside(store, shelf=label_quarantine.SHELF, owner_id=model_id, hashes=hashes, guard=at[len(versions)])
    for position, version in enumerate(versions, start=1):
        erase_records(
            store, model=model, version_id=version.id, hashes=hashes, guard=at[len(versions) + position]
        )  # fmt: skip
    for position, version in enumerate(versions, start=1):
        erase_windows(
            store, model_id=model_id, version_id=version.id, hashes=hashes, guard=at[2 * len(versions) + position]
        )
    # Last: a join that began before the windows were gone through would have brought labels back to them.
    erase_labels(store, model_id=model_id, hashes=hashes, guard=at[-1])
    with store.read() as conn:
        return get_erasure(conn, model_id=model_id, id=erasure_id)


def hashes_of(params: list[str]) -> Hashes:
    """The hashes that a job was given, ascending."""
    return np.unique(np.array([int(text, 16) for text in params], dtype=np.uint64))


def _tell(
    note: Guard, conn: Connection, what: Found, found: int, *, model_id: int, erasure_id: int
) -> None:  # fmt: skip
    refuse_held(conn, model_id=model_id)
    count_found(conn, id=erasure_id, what=what, found=found)
    note(conn)
