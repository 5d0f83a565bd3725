"""Memory that is free goes back to the operating system."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from monitor.app import create_app, create_worker
from monitor.jobs.release import MemoryRelease, release_memory, settle_allocators
from monitor.settings import Settings
from tests.api.running import running
from tests.faults.cluster import until

MIB = 2**20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")


def free_bytes_between_used_pieces() -> list[bytearray]:
    """Leaves 200 MiB free that no end of an arena frees; what is used of it still."""
    pieces = [bytearray(b"x" * 65_536) for _ in range(3_200)]  # below the size for which malloc asks the system
    return pieces[::64]


@glibc
def test_what_lies_free_between_used_pieces_is_given_back():
    kept = free_bytes_between_used_pieces()
    full = resident_bytes()
    release_memory()
    assert full - resident_bytes() > 150 * MIB
    assert all(piece == b"x" * 65_536 for piece in kept)


@pytest.fixture
def pool():
    """Afterwards Arrow's allocator is the one that it was."""
    before = pa.default_memory_pool()
    yield
    pa.set_memory_pool(before)


@glibc
def test_what_other_threads_freed_of_arrow_between_used_pieces_is_given_back_while_they_wait(pool):
    settle_allocators()
    freed, over = threading.Barrier(9), threading.Event()

    def take_and_free() -> None:
        pieces = [pa.array(numbers) for _ in range(400)]  # 64 KiB each: 25 MiB
        kept = pieces[::16]
        del pieces
        freed.wait(timeout=60)
        over.wait(timeout=60)
        assert len(kept) == 25

    numbers = [*range(8_192)]
    empty = resident_bytes()
    threads = [threading.Thread(target=take_and_free) for _ in range(8)]
    for thread in threads:
        thread.start()
    freed.wait(timeout=60)
    release_memory()
    held = resident_bytes() - empty
    over.set()
    for thread in threads:
        thread.join()
    assert held < 50 * MIB  # 13 are in use; Arrow's own allocator holds 108


ALLOCATES = """
import ctypes, re, sys, tempfile, threading
from monitor.jobs.release import settle_allocators
if sys.argv[1] == "settled":
    settle_allocators()
libc = ctypes.CDLL(None)
libc.fopen.restype = libc.malloc.restype = ctypes.c_void_p
for call in (libc.free, libc.fclose, libc.malloc_info):
    call.argtypes = [ctypes.c_int, ctypes.c_void_p] if call is libc.malloc_info else [ctypes.c_void_p]

def report():
    with tempfile.NamedTemporaryFile() as file:
        out = libc.fopen(file.name.encode(), b"w")
        libc.malloc_info(0, out)
        libc.fclose(out)
        return file.read().decode()

ready = threading.Barrier(9)
def ask():
    ready.wait()
    libc.malloc(100_000)
    ready.wait()
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
ready.wait()
ready.wait()
libc.free(libc.malloc(20 << 20))
before = int(re.findall(r'type="mmap" count="(\\d+)"', report())[-1])
libc.malloc(18 << 20)
after = int(re.findall(r'type="mmap" count="(\\d+)"', report())[-1])
print(report().count("<heap nr="), after - before)
"""


@glibc
@pytest.mark.parametrize(("how", "few", "mapped"), [("settled", True, 1), ("as it comes", False, 0)])
def test_threads_share_two_arenas_and_large_pieces_are_in_none(how, few, mapped):
    done = subprocess.run([sys.executable, "-c", ALLOCATES, how], capture_output=True, text=True, check=True)
    arenas, pieces = map(int, done.stdout.split())
    assert (arenas <= 2) is few
    assert pieces == mapped


COMPRESSES = """
import io, sys
from monitor.cli import main
sys.argv = ["driftline", "--version"]
try:
    main()
except SystemExit:
    pass
import pyarrow as pa
from monitor.jobs.release import settle_allocators
settle_allocators()  # as a server does
values = pa.table({"a": range(100_000)})
with pa.ipc.new_stream(io.BytesIO(), values.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
    out.write_table(values)
values.group_by("a").aggregate([("a", "sum")])
print(pa.default_memory_pool().backend_name, pa.mimalloc_memory_pool().max_memory())
"""


@pytest.mark.parametrize(("asked", "name"), [({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc")])
def test_the_command_takes_no_memory_from_the_allocator_of_arrow_unless_told_to(asked, name):
    environment = {key: value for key, value in os.environ.items() if key != "ARROW_DEFAULT_MEMORY_POOL"} | asked
    done = subprocess.run(
        [sys.executable, "-c", COMPRESSES], capture_output=True, text=True, check=True, env=environment
    )
    backend, taken = done.stdout.splitlines()[-1].split()
    assert (backend, int(taken) > 0) == (name, bool(asked))


@glibc
def test_memory_is_given_back_again_and_again_until_the_end(pool, store):
    memory = MemoryRelease(store, every_seconds=0.05)
    memory.start()
    empty = resident_bytes()
    for _ in range(2):
        kept = free_bytes_between_used_pieces()
        until(lambda: resident_bytes() - empty < 50 * MIB, within_seconds=10, what="memory that is given back")
        assert len(kept) == 50
    memory.close()
    assert "driftline-memory" not in [thread.name for thread in threading.enumerate()]


@glibc
@pytest.mark.parametrize("make", [create_app, partial(create_app, jobs=False), create_worker])
def test_every_process_gives_memory_back_while_it_runs(make, tmp_path, pool):
    with running(make(Settings(data_dir=tmp_path))):
        assert pa.default_memory_pool().backend_name == "system"
        assert "driftline-memory" in [thread.name for thread in threading.enumerate()]
    assert "driftline-memory" not in [thread.name for thread in threading.enumerate()]
