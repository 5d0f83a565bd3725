"""Whose a sent row is and when: its id and its timestamp, and the rows of which one cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.columns.batch import ID, TIMESTAMP
from monitor.columns.identity import Ids, parse_ids
from monitor.columns.instants import MISSING, OUT_OF_RANGE, READABLE, UNREADABLE, Instants, parse_instants
from monitor.columns.quarantine import Quarantined, reason_message
from monitor.columns.sent import plain

Sealed = Callable[[NDArray[np.int64]], NDArray[np.bool_]]  # instants int64[n] → whether their windows are sealed
Sent = Mapping[str, tuple[pa.Array, str]]  # name → array as sent, and its form (``batch.form_of``)
_STATE_CODES = {UNREADABLE: "timestamp_unreadable", OUT_OF_RANGE: "timestamp_out_of_range"}


def sent_instants(columns: Sent, *, rows: int) -> Instants:
    """The instants of the column ``timestamp``; all missing where none was sent."""
    if TIMESTAMP not in columns:
        return Instants(np.zeros(rows, np.int64), np.full(rows, MISSING, np.int8))
    array, form = columns[TIMESTAMP]
    return parse_instants(plain(array), form=form)


def sent_ids(columns: Sent, *, rows: int) -> Ids:
    """The ids of the column ``id``; all missing where none was sent."""
    if ID not in columns:
        return Ids(pa.nulls(rows, pa.string()))
    array, form = columns[ID]
    return parse_ids(plain(array), form=form)


def unusable(
    instants: Instants, ids: Ids, *, columns: Sent, latest_us: int, sealed: Sealed | None = None
) -> tuple[Quarantined, ...]:
    """The rows whose id or timestamp cannot be used, ascending; ``raw`` is left empty."""
    readable = instants.state == READABLE
    early = readable & (instants.us > latest_us)
    late = readable & sealed(instants.us) if sealed is not None else np.zeros_like(readable)
    rows = np.flatnonzero(early | late | (instants.state == UNREADABLE) | (instants.state == OUT_OF_RANGE)).tolist()
    if not rows and not ids.faults:
        return ()
    found: dict[int, Quarantined] = {}
    for row, (code, sent) in ids.faults.items():
        found[row] = Quarantined(index=row, code=code, field=ID, raw="",
                                 message=reason_message(code, field=ID, found=sent))  # fmt: skip
    for row in rows:
        code = _STATE_CODES.get(int(instants.state[row]), "too_late" if late[row] else "future")
        sent = str(columns[TIMESTAMP][0][row])
        found.setdefault(row, Quarantined(index=row, code=code, field=TIMESTAMP, raw="",
                                          message=reason_message(code, field=TIMESTAMP, found=sent)))  # fmt: skip
    return tuple(found[row] for row in sorted(found))
