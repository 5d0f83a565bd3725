"""Memory that nobody uses, given back to the operating system.

A slice of a fold is tens of megabytes, and each thread of a lane takes them from an arena of its own. What it frees
glibc keeps for that thread, unless it happens to lie at the arena's end: measured, 280 of a worker's 600 MiB were free.
Answers, references and open windows do the same to a process without jobs: 100 of 180 MiB.

Arrow brings an allocator of its own, which keeps what lies free between used pieces, and only the thread that freed it
can give back the rest: measured, 108 MiB of 200 with 13 in use, against 15. So Arrow takes its memory from the C
library, too, at the same cost. (What its C++ code takes by itself, to compress or to group, comes from where
``ARROW_DEFAULT_MEMORY_POOL`` says when pyarrow is imported: the command line sets it. Until it did, a worker's Arrow
kept 52 MiB after eight minutes of load, and took more each minute.)

glibc has an arena for each thread that asks while others do, 16 of them on two cores, and once a piece of 20 MiB was
freed, pieces up to that size come from arenas too and leave holes there. Under one lock of the interpreter few threads
ask at once: two arenas do, and what is larger than 16 MiB comes from the system and goes back when it is freed. Such a
piece is zeroed page by page each time: with all above one mebibyte, Arrow of 5,000 records a request (2 MB) came in at
0.58 of its rate, with 16 at 0.97, and eight minutes of ``benchmarks.soak`` took as much memory either way.
"""

from __future__ import annotations

import ctypes
import os

import pyarrow as pa

from monitor.repeated import Repeated
from monitor.store.engine import Store

# After ten 30 to 45 MiB of a worker lay free, now longer and now shorter where its windows took about as long.
EVERY_SECONDS = 3.0
ARROW_POOL = "ARROW_DEFAULT_MEMORY_POOL"
_libc = ctypes.CDLL(None)
# https://man7.org/linux/man-pages/man3/malloc_trim.3.html: since 2.8 of all arenas, not their ends alone
_trim = getattr(_libc, "malloc_trim", None)
# https://man7.org/linux/man-pages/man3/mallopt.3.html: M_ARENA_MAX, M_MMAP_THRESHOLD; the latter stays where it is put
_OPTIONS = ((-8, 2), (-3, 2**24))


class MemoryRelease:
    """Gives free memory back every three seconds, from ``start`` to ``close``; in every process, whatever it does.

    Ends the store's idle connections, too.
    """

    def __init__(self, store: Store, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._store = store
        self._repeated = Repeated(self._release, every_seconds=every_seconds, name="driftline-memory")

    def start(self) -> None:
        """Gives back from now on."""
        self._repeated.start()

    def close(self) -> None:
        """Gives back no more."""
        self._repeated.close()

    def _release(self) -> None:
        self._store.end_idle()
        release_memory()


def settle_allocators() -> None:
    """Has Arrow use the C library's allocator in this process, where that can give back what is free and the
    environment names none, and has that keep few arenas and large pieces in none.

    Before threads are started: an arena that there is stays.
    """
    if _trim is None:
        return
    if ARROW_POOL not in os.environ:  # which pyarrow has gone by when it was imported
        pa.set_memory_pool(pa.system_memory_pool())
    for option, value in _OPTIONS:
        _libc.mallopt(option, value)


def release_memory() -> None:
    """Gives free memory back, of the C library's allocator (where it is glibc's) and of Arrow's."""
    pa.default_memory_pool().release_unused()
    if _trim is not None:
        _trim(0)
