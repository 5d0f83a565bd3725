"""The windows lately, added up for each scale that is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.alert.cells import GROUPS, SHARES, Counts
from monitor.alert.scales import SCALES, stride_of

LONGEST = SCALES[-1] + stride_of(SCALES[-1])  # windows, in time, that a look may reach back
_WIDTHS = ("<u4", "<u8")


def last_look(ordinal: int, *, scale: int) -> int:
    """The window at which the scale was last looked at, up to this one; windows are numbered along the calendar.

    >>> [last_look(ordinal, scale=24) for ordinal in (4, 5, 6, 11)]
    [-1, 5, 5, 11]
    """
    return ordinal - (ordinal + 1) % stride_of(scale)


def recent_sums(
    own: Counts, before: Sequence[tuple[int, Counts]], *, ordinal: int, scales: Iterable[int]
) -> dict[int, Counts]:
    """The sum of each scale's windows up to its last look; ``before`` are (ordinal, counts) of earlier windows.

    A scale of which fewer than half the windows are known is left out: their sum would not be of that scale.
    """
    known = [*((at, counts) for at, counts in before if at < ordinal), (ordinal, own)]
    found: dict[int, Counts] = {}
    for scale in scales:
        end = last_look(ordinal, scale=scale)
        inside = [counts for at, counts in known if end - scale < at <= end]
        if scale > 1 and 2 * len(inside) >= scale:
            found[scale] = Counts(
                rows=sum(counts.rows for counts in inside),
                cells=np.sum([counts.cells for counts in inside], axis=0),
                hits=np.sum([counts.hits for counts in inside], axis=0),
            )
    return found


def encode_counts(counts: Counts) -> bytes:
    """Judged counts as bytes: the width of its integers, rows, cells, hits. Read again 200 times a window, so plain."""
    body = np.concatenate([[counts.rows], counts.cells.ravel(), counts.hits.ravel()])
    width = 0 if body.max(initial=0) < 2**32 else 1
    return bytes([width]) + body.astype(_WIDTHS[width]).tobytes()


def decode_counts(payload: bytes) -> Counts:
    """The counts of ``encode_counts``'s bytes."""
    body = np.frombuffer(payload, dtype=_WIDTHS[payload[0]], offset=1).astype(np.float64)
    columns = (len(body) - 1) // (GROUPS + len(SHARES))
    cells = body[1 : 1 + columns * GROUPS].reshape(columns, GROUPS)
    return Counts(rows=int(body[0]), cells=cells, hits=body[1 + columns * GROUPS :].reshape(len(SHARES), columns))
