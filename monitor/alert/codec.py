"""Histories and calibrations as bytes: a header and arrays, the counts in the narrowest integers, zstd."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.alert.calibrate import Calibration, Scale
from monitor.alert.cells import Cells, Counts, Floats
from monitor.alert.history import History
from monitor.alert.movement import Movement
from monitor.alert.pooling import Pooling
from monitor.alert.scoring import Usual
from monitor.alert.tail import Tail, Tails
from monitor.alert.threshold import Peaks

FORMAT = 1
_CODEC = pa.Codec("zstd", compression_level=3)
_CELLS = ("offsets", "group", "width", "numeric", "known", "listed")
_ADDED = {  # not in the first calibrations
    "to_a_week": 0, "own": 0, "own_until_us": -1, "until_us": -1, "volume": 0.0, "daily": 1.0, "weekly": 1.0,
    "memory": 1.0, "slowest": "", "own_rows": 0.0,
}  # fmt: skip
_TAIL = ("start", "log_share", "shape", "scale")


def encode_history(history: History) -> bytes:
    """The history as bytes; ``decode_history`` gives it back exactly."""
    arrays = _cells_arrays(history.layout_cells)
    arrays |= {"reference_cells": _narrow(history.reference.cells), "reference_hits": _narrow(history.reference.hits)}
    arrays |= {"starts_us": history.starts_us, "rows": _narrow(history.rows)}
    arrays |= {"cells": _narrow(history.cells), "hits": _narrow(history.hits)}
    head = {"columns": history.layout_cells.columns, "own": history.own}
    return _pack("history", head=head | {"reference_rows": history.reference.rows}, arrays=arrays)


def decode_history(payload: bytes) -> History:
    """The history of ``encode_history``'s bytes."""
    head, arrays = _unpack("history", payload)
    rows, cells, hits = (arrays[name].astype(np.float64) for name in ("rows", "cells", "hits"))
    return History(
        layout_cells=_cells(head, arrays),
        reference=Counts(
            rows=head["reference_rows"],
            cells=arrays["reference_cells"].astype(np.float64),
            hits=arrays["reference_hits"].astype(np.float64),
        ),
        own=head["own"] if "own" in head else len(arrays["rows"]) * head["contained"],  # as it was written first
        starts_us=arrays["starts_us"],
        rows=rows,
        cells=cells,
        hits=hits,
    )


def encode_calibration(calibration: Calibration) -> bytes:
    """The calibration as bytes; ``decode_calibration`` gives it back exactly."""
    arrays = _cells_arrays(calibration.layout_cells) | {"able": calibration.able, "judged": calibration.judged}
    arrays["test_windows"] = _narrow(calibration.known.astype(np.float64))
    for position, scale in enumerate(calibration.scales):
        usual = scale.usual
        parts: dict[str, NDArray[Any]] = {
            "variance": usual.movement.variance.astype(np.float32), "share_variance": usual.share_variance,
        }  # fmt: skip
        if position == 0:  # every scale has the same cells and directions
            parts |= {
                "member": usual.pooling.member, "cell_width": usual.pooling.width, "needs": usual.pooling.needs,
                "directions": usual.movement.directions.astype(np.float32),
            }  # fmt: skip
        parts |= {f"own_{name}": getattr(scale.tails.own, name) for name in _TAIL}
        parts |= {f"kind_{name}": getattr(scale.tails.kind, name) for name in _TAIL}
        parts["calm"] = scale.tails.calm
        arrays |= {f"{position}:{name}": array for name, array in parts.items()}
    head = {
        "columns": calibration.layout_cells.columns,
        "scales": [scale.windows for scale in calibration.scales],
        "peaks": [calibration.peaks.windows, calibration.peaks.count, calibration.peaks.start, calibration.peaks.total],
        "windows": calibration.windows,
        "windows_per_month": calibration.windows_per_month,
        "per_month": calibration.per_month,
        "to_a_week": calibration.to_a_week,
        "own": calibration.own,
        "own_until_us": calibration.own_until_us,
        "until_us": calibration.until_us,
        "volume": calibration.volume,
        "daily": calibration.daily,
        "weekly": calibration.weekly,
        "memory": calibration.memory,
        "slowest": calibration.slowest,
        "own_rows": calibration.own_rows,
    }
    return _pack("calibration", head=head, arrays=arrays)


def decode_calibration(payload: bytes) -> Calibration:
    """The calibration of ``encode_calibration``'s bytes."""
    head, arrays = _unpack("calibration", payload)
    windows, count, start, total = head["peaks"]
    pooling = Pooling(member=arrays["0:member"], width=arrays["0:cell_width"], needs=arrays["0:needs"])
    directions = arrays["0:directions"].astype(np.float64)
    return Calibration(
        layout_cells=_cells(head, arrays),
        scales=tuple(
            _scale(size, position=i, arrays=arrays, pooling=pooling, directions=directions)
            for i, size in enumerate(head["scales"])
        ),
        able=arrays["able"],
        judged=arrays["judged"],
        known=arrays["test_windows"].astype(np.int64),
        peaks=Peaks(windows=windows, count=count, start=start, total=total),
        windows=head["windows"],
        windows_per_month=head["windows_per_month"],
        per_month=head["per_month"],
        **{name: head.get(name, unknown) for name, unknown in _ADDED.items()},
    )


def _scale(
    windows: int, *, position: int, arrays: dict[str, NDArray[Any]], pooling: Pooling, directions: Floats
) -> Scale:
    part = {name.partition(":")[2]: array for name, array in arrays.items() if name.startswith(f"{position}:")}
    movement = Movement(directions=directions, variance=part["variance"].astype(np.float64))
    return Scale(
        windows=windows,
        usual=Usual(pooling=pooling, movement=movement, share_variance=part["share_variance"]),
        tails=Tails(
            own=Tail(**{name: part[f"own_{name}"] for name in _TAIL}),
            kind=Tail(**{name: part[f"kind_{name}"] for name in _TAIL}),
            calm=part["calm"],
        ),
    )


def _cells_arrays(cells: Cells) -> dict[str, NDArray[Any]]:
    return {f"layout:{name}": getattr(cells, name) for name in _CELLS}


def _cells(head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Cells:
    return Cells(columns=tuple(head["columns"]), **{name: arrays[f"layout:{name}"] for name in _CELLS})


def _narrow(counts: NDArray[np.float64]) -> NDArray[Any]:
    """Whole counts in the narrowest unsigned integers that hold them."""
    most = int(counts.max(initial=0.0))
    return counts.astype(next(d for d in (np.uint8, np.uint16, np.uint32, np.uint64) if most <= np.iinfo(d).max))


def _pack(kind: str, *, head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    index = [(name, array.dtype.str, array.shape) for name, array in arrays.items()]
    header = msgspec.msgpack.encode({"format": FORMAT, "kind": kind, "head": head, "arrays": index})
    body = b"".join([len(header).to_bytes(4, "little"), header, *(a.tobytes() for a in arrays.values())])
    return len(body).to_bytes(8, "little") + bytes(_CODEC.compress(body, asbytes=True))


def _unpack(kind: str, payload: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    body = _CODEC.decompress(payload[8:], int.from_bytes(payload[:8], "little"), asbytes=True)
    begin = 4 + int.from_bytes(body[:4], "little")
    header = msgspec.msgpack.decode(body[4:begin])
    if header["format"] != FORMAT or header["kind"] != kind:
        raise ValueError(f"{header['kind']} of format {header['format']}: expected a {kind} of format {FORMAT}")
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in header["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype, count, begin).reshape(shape)
        begin += arrays[name].nbytes
    return header["head"], arrays
