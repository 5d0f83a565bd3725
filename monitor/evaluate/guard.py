"""What a step's write transaction asks last: is this work still ours to write."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from monitor.model.errors import FenceLost

# Called in the write transaction; raises FenceLost where somebody took the work over.
Guard = Callable[[Connection], None]


class Moved(FenceLost):
    """Rows came, or reference or layout changed, between a step's read and its write: read again."""
