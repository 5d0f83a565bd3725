"""A body that comes in pieces is put together as it was sent, whatever its head declared."""

from __future__ import annotations

import asyncio

import pytest

from monitor.ingest.body import ClientGone, read_body
from monitor.ingest.budget import ByteBudget
from monitor.ingest.limits import Limits
from monitor.model.errors import TooLarge

PIECES = (b"a" * 70_000, b"", b"b", b"c" * 70_000)
SIZE = sum(map(len, PIECES))


def messages(*pieces: bytes, gone: bool = False):
    sent = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if gone:
        sent.append({"type": "http.disconnect"})
    else:
        sent[-1]["more_body"] = False
    waiting = iter(sent)

    async def receive():
        return next(waiting)

    return receive


def read(receive, *, declared: int | None, budget: ByteBudget, limits: Limits | None = None):
    async def whole():
        with budget.lease(0) as lease:
            body = await read_body(
                receive, declared=None if declared is None else str(declared), lease=lease, weight=1,
                limits=limits or Limits(),
            )  # fmt: skip
            return bytes(body), lease.held

    return asyncio.run(whole())


@pytest.mark.parametrize("declared", [None, SIZE, SIZE - 1, SIZE + 1, 1, 0])
def test_the_pieces_are_put_together_in_their_order(declared):
    body, _ = read(messages(*PIECES), declared=declared, budget=ByteBudget(1 << 20))
    assert body == b"".join(PIECES)


@pytest.mark.parametrize("declared", [None, SIZE])
def test_the_budget_holds_the_size_of_the_body(declared):
    budget = ByteBudget(1 << 20)
    _, held = read(messages(*PIECES), declared=declared, budget=budget)
    assert held == SIZE
    assert budget.used == 0


def test_a_client_that_goes_away_leaves_nothing_in_the_budget():
    budget = ByteBudget(1 << 20)
    with pytest.raises(ClientGone):
        read(messages(*PIECES, gone=True), declared=2 * SIZE, budget=budget)
    assert budget.used == 0


@pytest.mark.parametrize("declared", [None, 1])
def test_more_than_the_limit_is_refused_also_where_less_was_declared(declared):
    with pytest.raises(TooLarge):
        read(messages(*PIECES), declared=declared, budget=ByteBudget(1 << 20), limits=Limits(max_body_bytes=SIZE - 1))


def test_the_budget_holds_what_has_arrived_and_not_what_was_declared():
    """A client that declares the whole budget and sends little keeps nobody out."""
    budget = ByteBudget(1 << 20)
    held = []

    def watched(receive):
        async def next_piece():
            held.append(budget.used)
            return await receive()

        return next_piece

    read(watched(messages(b"a" * 10, b"b" * 20, b"c")), declared=1 << 20, budget=budget)
    assert held == [0, 10, 30]


def test_the_budget_holds_what_decoding_will_take_once_the_body_is_whole():
    budget = ByteBudget(1 << 20)

    async def whole():
        with budget.lease(0) as lease:
            await read_body(messages(b"a" * 10, b"b" * 20), declared="30", lease=lease, weight=4, limits=Limits())
            return lease.held

    assert asyncio.run(whole()) == 4 * 30
