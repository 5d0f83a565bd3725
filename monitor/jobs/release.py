"""Memory that nobody uses, given back to the operating system.

A slice of a fold is tens of megabytes, and each thread of a lane takes them from an arena of its own. What it frees
glibc keeps for that thread, unless it happens to lie at the arena's end: measured, 280 of a worker's 600 MiB were free.
"""

from __future__ import annotations

import ctypes

import pyarrow as pa


def release_memory() -> None:
    """Gives free memory back, of the C library's allocator (where it is glibc's) and of Arrow's."""
    pa.default_memory_pool().release_unused()
    # https://man7.org/linux/man-pages/man3/malloc_trim.3.html: since 2.8 of all arenas, not their ends alone
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
