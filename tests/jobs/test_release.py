"""Memory that is free goes back to the operating system."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from monitor.jobs.release import release_memory

MIB = 2**20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_lies_free_between_used_pieces_is_given_back():
    pieces = [bytearray(b"x" * 65_536) for _ in range(3_200)]  # below the size for which malloc asks the system
    kept = pieces[::64]
    full = resident_bytes()
    del pieces
    release_memory()
    assert full - resident_bytes() > 150 * MIB
    assert all(piece == b"x" * 65_536 for piece in kept)
