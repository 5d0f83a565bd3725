"""The file of a backup: a line that says what it is, blocks, and the SHA-256 of everything before it at the end.

    DRIFTLINE BACKUP\\n
    {"format": 1, "schema": "v0010", "database": "sqlite", "created": "…Z", "release": "0.1.0"}\\n
    blocks        a letter, the length in 4 bytes little-endian, so many bytes:
                  P progress, T a table and its columns, R rows of it, E the end: rows and counters by table
    SHA-256:      and 32 bytes

It can be written to a pipe, for the digest comes last; a file that was cut off anywhere has no end and is refused.
Contents are MessagePack; those of R are under zstd, behind their length in 8 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa

from monitor.model.errors import InvalidInput

FORMAT = 1
MEDIA_TYPE = "application/vnd.driftline.backup"
MAGIC = b"DRIFTLINE BACKUP\n"
_END = b"SHA-256:"
_TAIL = len(_END) + 32
_MOST_HEADER = 4096
_PIECE = 1024**2
_ZSTD = pa.Codec("zstd", compression_level=1)
KINDS = ("P", "T", "R", "E")

Emit = Callable[[bytes], None]
Row = Sequence[Any]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is of: the schema's revision, the kind of database, when it was begun and by which release."""

    format: int
    schema: str
    database: str
    created: str
    release: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table and its columns, in the order of the rows that follow."""

    name: str
    columns: tuple[str, ...]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backup is in one of its steps (``copy``, ``write``), in bytes of the database."""

    step: str
    done: int
    of: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole backup holds: rows by table, and the highest id ever given by table."""

    rows: dict[str, int]
    counters: dict[str, int]


class BackupWriter:
    """Emits one backup, piece by piece, in the order of the file."""

    def __init__(self, emit: Emit, *, header: Header) -> None:
        self._emit = emit
        self._digest = hashlib.sha256()
        self._put(MAGIC + msgspec.json.encode(header) + b"\n")

    def table(self, table: Table) -> None:
        """Begins a table."""
        self._block("T", msgspec.msgpack.encode(table))

    def rows(self, packed: bytes) -> None:
        """Rows of the table begun last: MessagePack arrays, one after the other."""
        compressed = _ZSTD.compress(packed, asbytes=True)
        self._block("R", len(packed).to_bytes(8, "little") + compressed)

    def progress(self, progress: Progress) -> None:
        """Says how far it is, so that whoever waits for the next piece sees it."""
        self._block("P", msgspec.msgpack.encode(progress))

    def finish(self, summary: Summary) -> str:
        """``sha256:…`` of the backup, which is whole now."""
        self._block("E", msgspec.msgpack.encode(summary))
        digest = self._digest.digest()
        self._emit(_END + digest)
        return f"sha256:{digest.hex()}"

    def _block(self, kind: str, content: bytes) -> None:
        self._put(kind.encode() + len(content).to_bytes(4, "little") + content)

    def _put(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._emit(piece)


def check_file(path: Path, *, looked: Callable[[int, int], None] = lambda done, of: None) -> tuple[Header, str]:
    """(header, ``sha256:…``) of a whole backup, or ``InvalidInput`` that says what is wrong with the file.

    Reads all of it, a piece at a time; ``looked`` is told how many of its bytes are done.
    """
    with path.open("rb") as file:
        header = read_header(file, path=path)
        file.seek(0, 2)
        size = file.tell()
        file.seek(0)
        digest, left = hashlib.sha256(), size - _TAIL
        while left > 0:
            piece = file.read(min(_PIECE, left))
            digest.update(piece)
            left -= len(piece)
            looked(size - left, size)
        tail = file.read()
    if not tail.startswith(_END) or len(tail) != _TAIL:
        raise InvalidInput(
            f"{path} has no end: it was cut off, or the backup that wrote it did not finish. Take another one",
            code="backup",
        )
    if tail != _END + digest.digest():
        raise InvalidInput(
            f"{path} is damaged: its digest is sha256:{digest.hexdigest()}, expected sha256:{tail[len(_END) :].hex()}. "
            "Copy it again from where it came, or take another one",
            code="backup",
        )
    return header, f"sha256:{digest.hexdigest()}"


def read_header(file: BinaryIO, *, path: Path) -> Header:
    """What the file says it is, read from its beginning; ``InvalidInput`` where it is no backup this release reads."""
    head = file.read(len(MAGIC) + _MOST_HEADER)
    line, found, _ = head.removeprefix(MAGIC).partition(b"\n")
    try:
        if not head.startswith(MAGIC) or not found:
            raise ValueError("it does not begin as one")
        header = msgspec.json.decode(line, type=Header)
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidInput(
            f"{path} is no backup of Driftline ({error}): expected a file that driftline backup wrote", code="backup"
        ) from None
    if header.format != FORMAT:
        raise InvalidInput(
            f"{path} is a backup of format {header.format}, and this release reads format {FORMAT}: restore it with "
            f"the release that wrote it ({header.release}) or a later one",
            code="backup",
        )
    file.seek(len(MAGIC) + len(line) + 1)
    return header


def blocks(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(kind, content) of every block behind the header, to the end."""
    while True:
        kind, length = _block_head(file.read(5))
        content = file.read(length)
        if len(content) != length:
            raise InvalidInput("the backup is cut off in the middle of a block", code="backup")
        yield kind, content
        if kind == "E":
            return


def unpacked(content: bytes) -> list[list[Any]]:
    """The rows of an R block."""
    size = int.from_bytes(content[:8], "little")
    plain = _ZSTD.decompress(content[8:], decompressed_size=size, asbytes=True)
    rows: list[list[Any]] = msgspec.msgpack.decode(plain)
    return rows


def _block_head(head: bytes) -> tuple[str, int]:
    kind = head[:1].decode("latin-1")
    if len(head) != 5 or kind not in KINDS:
        raise InvalidInput("the backup has no end", code="backup")
    return kind, int.from_bytes(head[1:], "little")


class Watcher:
    """Follows a backup as its bytes come in, for who wants to know how far it is; keeps no more than a block's head."""

    def __init__(self, told: Callable[[Progress], None]) -> None:
        self._told = told
        self._pending = b""
        self._skip = 0
        self._in_header = 2  # lines

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        while piece:
            if self._skip:
                passed = min(self._skip, len(piece))
                self._skip, piece = self._skip - passed, piece[passed:]
                continue
            self._pending, piece = self._pending + piece, b""
            piece = self._step()

    def _step(self) -> bytes:
        """What is left to look at behind a line, or a block's head; nothing while it is not whole."""
        if self._in_header:
            _, ended, rest = self._pending.partition(b"\n")
            if not ended:
                return b""
            self._in_header -= 1
            self._pending = b""
            return rest
        kind, length = self._pending[:1], int.from_bytes(self._pending[1:5], "little")
        whole = 5 if kind in (b"T", b"R") else 5 + length
        if len(self._pending) < whole:
            return b""
        head, rest = self._pending[:whole], self._pending[whole:]
        self._pending = b""
        self._skip = length if whole == 5 else 0
        if kind == b"P":
            self._told(msgspec.msgpack.decode(head[5:], type=Progress))
        if kind == b"E":
            self._skip = _TAIL
        return rest
