"""Whether a flush of the embedded database failed. After that nothing it says can be believed.

Linux marks the pages of a failed fsync clean and reports it once: the next fsync succeeds although nothing was written
(https://wiki.postgresql.org/wiki/Fsync_Errors). PostgreSQL ends itself and recovers from its log; SQLite goes on.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from monitor.model.errors import Unavailable

FLUSH_FAILED = (
    "the disk did not take what was written: nothing more is acknowledged and this process ends; "
    "look at the disk and the kernel's log, then start it again"
)
_FLUSHES = ("SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE_BYTES = 1 << 18


def flush_failed(error: Unavailable, *, path: Path) -> bool:
    """Whether a write to the database at ``path`` failed in a way that leaves in doubt what is on disk.

    The bundled driver names the primary code alone. What else is an I/O error of a write, but for a full disk (where
    the log's index cannot grow, SQLITE_IOERR_SHMSIZE), is as bad a sign as a failed flush, and is taken for one.
    """
    name = getattr(getattr(error.__cause__, "orig", None), "sqlite_errorname", "")
    return name in _FLUSHES or (name == "SQLITE_IOERR" and not _is_full(path.parent))


def _is_full(directory: Path) -> bool:
    """Whether the directory takes no more bytes, which heals by itself; free space is not asked for: quotas."""
    try:
        with tempfile.TemporaryFile(dir=directory, buffering=0) as probe:
            os.posix_fallocate(probe.fileno(), 0, _PROBE_BYTES)
    except OSError as refused:
        return refused.errno in _FULL
    return False
