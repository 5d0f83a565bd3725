"""The windows lately, added up for each scale that is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.alert.cells import GROUPS, SHARES, Counts, Floats, Integers
from monitor.alert.scales import SCALES, stride_of

LONGEST = SCALES[-1] + stride_of(SCALES[-1])  # windows, in time, that a look may reach back
_WIDTHS = ("<u2", "<u4", "<u8")
_SUMS = ("<u4", "<u8", "<f8")  # what so many of each add up in: exact, and of the narrow ones, which most are, quickly


def last_look(ordinal: int, *, scale: int) -> int:
    """The window at which the scale was last looked at, up to this one; windows are numbered along the calendar.

    >>> [last_look(ordinal, scale=24) for ordinal in (4, 5, 6, 11)]
    [-1, 5, 5, 11]
    """
    return ordinal - (ordinal + 1) % stride_of(scale)


def recent_sums(
    own: Counts, before: Sequence[tuple[int, bytes]], *, ordinal: int, scales: Iterable[int]
) -> dict[int, Counts]:
    """The sum of each scale's windows up to its last look; ``before`` are (ordinal, ``encode_counts``) of earlier ones.

    A scale of which fewer than half the windows are known is left out: their sum would not be of that scale.
    """
    known = sorted([*((at, payload) for at, payload in before if at < ordinal), (ordinal, encode_counts(own))])
    groups = [_stacked(known, width=width) for width in range(len(_WIDTHS))]
    found: dict[int, Counts] = {}
    for scale in scales:
        end = last_look(ordinal, scale=scale)
        spans = [np.searchsorted(at, (end - scale, end), side="right").tolist() for at, _ in groups]
        if scale > 1 and 2 * sum(last - first for first, last in spans) >= scale:
            sums = [values[first:last].sum(axis=0, dtype=dtype)
                    for (_, values), (first, last), dtype in zip(groups, spans, _SUMS, strict=True)
                    if first < last]  # fmt: skip
            found[scale] = _counts(np.sum(sums, axis=0, dtype=np.float64))
    return found


def encode_counts(counts: Counts) -> bytes:
    """Judged counts as bytes: the width of its integers, rows, cells, hits. Read again 200 times a window, so plain."""
    body = np.concatenate([[counts.rows], counts.cells.ravel(), counts.hits.ravel()])
    most = body.max(initial=0)
    width = next(i for i, name in enumerate(_WIDTHS) if most <= np.iinfo(name).max)
    return bytes([width]) + body.astype(_WIDTHS[width]).tobytes()


def decode_counts(payload: bytes) -> Counts:
    """The counts of ``encode_counts``'s bytes."""
    return _counts(np.frombuffer(payload, dtype=_WIDTHS[payload[0]], offset=1).astype(np.float64))


def _stacked(known: Sequence[tuple[int, bytes]], *, width: int) -> tuple[Integers, NDArray[np.unsignedinteger]]:
    """(int64[n] ordinals, integers[n, …]) of those windows whose counts have that width, decoded at once."""
    those = [(at, payload) for at, payload in known if payload[0] == width]
    body = np.frombuffer(b"".join([memoryview(payload)[1:] for _, payload in those]), dtype=_WIDTHS[width])
    return np.array([at for at, _ in those], dtype=np.int64), body.reshape(len(those), -1 if those else 0)


def _counts(body: Floats) -> Counts:
    columns = (len(body) - 1) // (GROUPS + len(SHARES))
    cells = body[1 : 1 + columns * GROUPS].reshape(columns, GROUPS)
    return Counts(rows=int(body[0]), cells=cells, hits=body[1 + columns * GROUPS :].reshape(len(SHARES), columns))
