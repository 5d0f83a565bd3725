"""Bytes of strangers: layouts, profiles and files that were cut, changed or made up are refused, never believed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.errors import InvalidInput, Malformed, TooLarge
from monitor.model.schema import Column, Schema
from monitor.profile import codec, dlp
from monitor.profile.build import LayoutBuilder
from monitor.profile.dlp import MAGIC, ProfileFile, read_dlp, write_dlp
from monitor.profile.frames import deflate, inflate
from monitor.profile.layout import Layout
from monitor.profile.profile import Profile, profile_batch

SCHEMA = Schema(columns=(Column(name="x"), Column(name="k", type="categorical")))
ROWS = pa.RecordBatch.from_pydict({"f:x": pa.array([1.0, 2.5, None, 9.0]), "f:k": pa.array(["a", "b", "a", None])})


def made() -> tuple[Layout, Profile]:
    builder = LayoutBuilder(SCHEMA)
    builder.add(ROWS)
    layout = builder.finish()
    return layout, profile_batch(layout, ROWS)


LAYOUT, PROFILE = made()
FILE = ProfileFile(schema=SCHEMA, layout=LAYOUT, profile=PROFILE, roles={"id": "x"}, windows=((0, PROFILE),))


def signed(parts: dict[str, object]) -> bytes:
    body = msgspec.msgpack.encode(parts)
    return MAGIC + hashlib.sha256(body).digest() + body


def parts_of(file: ProfileFile) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.msgpack.decode(write_dlp(file)[36:])
    return decoded


def test_a_file_gives_back_what_was_put_in():
    back = read_dlp(write_dlp(FILE))
    assert (back.schema, back.layout.digest, back.roles) == (FILE.schema, LAYOUT.digest, FILE.roles)
    assert codec.encode(back.profile) == codec.encode(PROFILE)
    assert [(start, codec.encode(p)) for start, p in back.windows] == [(0, codec.encode(PROFILE))]


@given(st.integers(0, len(write_dlp(FILE)) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position, flip):
    content = bytearray(write_dlp(FILE))
    content[position] ^= flip
    with pytest.raises(Malformed):
        read_dlp(bytes(content))


@given(st.sampled_from(["layout", "profile"]), st.data())
def test_made_up_parts_are_refused_though_the_checksum_is_right(part, data):
    parts = parts_of(FILE)
    body = bytearray(inflate(parts[part]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body)))]
    changed = signed({**parts, part: deflate(bytes(body))})
    try:
        back = read_dlp(changed)
    except (Malformed, InvalidInput):
        return
    # What still reads is sound: it adds up on ascending edges.
    assert back.layout.columns[0].cells == LAYOUT.columns[0].cells
    assert (np.diff(back.layout.columns[0].edges) > 0).all()
    assert back.profile.counts.min() >= 0


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"schema": {"columns": 7}, "layout": b"", "profile": b"", "roles": {}},
        {"schema": 1, "layout": b"x" * 9, "profile": b"", "roles": {}},
        {**parts_of(FILE), "layout": (2**62).to_bytes(8, "little") + b"zz"},
        {**parts_of(FILE), "profile": (10**6).to_bytes(8, "little") + parts_of(FILE)["profile"][8:]},
        {**parts_of(FILE), "profile": b""},
        {**parts_of(FILE), "windows": [[1]]},
    ],
)
def test_files_of_another_shape_are_malformed(parts):
    with pytest.raises((Malformed, InvalidInput)):
        read_dlp(signed(parts))


def test_a_profile_that_does_not_add_up_is_refused():
    wrong = replace(PROFILE, rows=PROFILE.rows + 1)
    with pytest.raises(Malformed, match="add up"):
        read_dlp(write_dlp(replace(FILE, profile=wrong)))
    with pytest.raises(Malformed, match="add up"):
        read_dlp(write_dlp(replace(FILE, windows=((0, wrong),))))


@pytest.mark.parametrize("edges", [[2.0, 1.0], [1.0, np.nan], [1.0, 1.0], [1.0, np.inf]])
def test_edges_that_do_not_ascend_are_refused(edges):
    column = replace(LAYOUT.columns[0], edges=np.array(edges), atoms=np.zeros(3, bool))
    with pytest.raises(ValueError, match="ascend"):
        Layout.decode(Layout(columns=(column,)).encode())


def test_what_unpacks_to_more_than_a_gibibyte_is_refused_before_memory_is_taken():
    with pytest.raises(ValueError, match="at most"):
        inflate((1 << 40).to_bytes(8, "little") + b"anything")


@pytest.mark.parametrize("payload", [b"", b"1234567", b"\x05" + bytes(7) + b"not zstd"])
def test_bytes_that_are_no_frame_are_refused(payload):
    with pytest.raises(ValueError, match="unpack"):
        inflate(payload)


@pytest.mark.limit("monitor.profile.dlp.MAX_BYTES")
def test_a_file_has_so_many_bytes_and_one_more_is_too_large_before_it_is_looked_at(monkeypatch):
    assert dlp.MAX_BYTES == 256 * 1024**2
    content = write_dlp(FILE)
    monkeypatch.setattr(dlp, "MAX_BYTES", len(content))
    assert read_dlp(content).profile.rows == FILE.profile.rows
    with pytest.raises(TooLarge, match=f"has {len(content) + 1} bytes: expected at most {len(content)}"):
        read_dlp(content + b"x")


@pytest.mark.limit("monitor.profile.dlp.MAX_COUNTS_BYTES")
def test_windows_whose_counts_would_take_too_much_are_refused_before_one_is_unpacked(monkeypatch):
    assert dlp.MAX_COUNTS_BYTES == 512 * 1024**2
    of_one = 8 * int(FILE.layout.offsets[-1])
    monkeypatch.setattr(dlp, "MAX_COUNTS_BYTES", 3 * of_one)
    windows = tuple((start, FILE.profile) for start in range(4))
    assert len(read_dlp(write_dlp(replace(FILE, windows=windows[:3]))).windows) == 3
    with pytest.raises(TooLarge, match="4 windows"):
        read_dlp(write_dlp(replace(FILE, windows=windows)))
