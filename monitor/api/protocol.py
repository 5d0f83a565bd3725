"""uvicorn's HTTP protocol with what it lacks: bounds for a head and its reader; and no copies of large bodies."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 800  # of one process: below the 1,024 descriptors that many systems allow it
MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 15.0
_PIECE_BYTES = 16_384  # a piece of a body that is not worth copying
LINGER_SECONDS = 0.5  # for which an idle connection of a server that ends may still bring a request
READ_SECONDS = 60.0  # in which a client reads something of an answer that waits for it
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n"
    b"content-length: 101\r\nconnection: close\r\n\r\n"
    b'{"type":"about:blank","title":"Request header fields too large","status":431,"detail":"over 64 KiB"}\n'
)
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
    b"content-length: 107\r\nconnection: close\r\n\r\n"
    b'{"type":"about:blank","title":"Too many connections","status":503,"detail":"try again, or keep them open"}\n'
)


class BoundedHttp(HttpToolsProtocol):
    """A connection whose request line and headers must be small and come soon.

    The clock runs from the connection to the end of its first head, and for a later head only if it does not come
    in one piece: what a request usually costs here is two assignments. Another clock runs while an answer waits for
    its reader. It aborts: closing would wait for the same reader to take what is in the buffer.
    """

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._in_head = False
        self._ending = False
        self._head_bytes = 0
        self._body_bytes = 0  # of what was received last
        self._deadline: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > MAX_CONNECTIONS:
            self.transport.write(_TOO_MANY)
            self.transport.close()
            return
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went away."""
        self._stop_clock()
        self._stop_reader_clock()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits for the client than the transport keeps."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client has read what waited."""
        self._stop_reader_clock()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or of a body; only those of an unfinished head are counted here."""
        waited = self._in_head
        if waited and self._too_large(len(data)):
            return
        self._body_bytes = 0
        super().data_received(data)
        if not self._in_head:
            return
        if not waited and self._too_large(len(data) - self._body_bytes):  # it began in these bytes, behind a body
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._hang_up)

    def _too_large(self, more: int) -> bool:
        """Whether the unfinished head is over its bound with so many bytes more: then the client was told so."""
        self._head_bytes += more
        if self._head_bytes <= MAX_HEAD_BYTES:
            return False
        self.transport.write(_TOO_LARGE)
        self.transport.close()
        return True

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The head is complete: from here on the edge counts bytes and time."""
        self._in_head = False
        self._stop_clock()
        super().on_headers_complete()
        if self._ending:
            cycle: Any = self.cycle
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server ends: what is asked is answered and told to ask elsewhere next.

        uvicorn closes idle connections at once, and with them a request that is on its way. Who asks often does so
        within the time that is left to it here.
        """
        self._ending = True
        if self._idle:
            self.loop.call_later(LINGER_SECONDS, self._leave)
        else:
            super().shutdown()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _leave(self) -> None:
        if self._idle and not self.transport.is_closing():
            self.transport.close()

    def on_body(self, body: bytes) -> None:
        """A piece of the body came.

        uvicorn gathers pieces in a bytearray and copies that to bytes when it is asked for. A large piece is all there
        is by then, for behind it reading pauses: it is handed on as it came.
        """
        self._body_bytes += len(body)
        cycle: Any = self.cycle
        if not cycle.body and len(body) >= _PIECE_BYTES:
            cycle.body = b""  # which, with the piece added to it, is the piece itself
        elif type(cycle.body) is bytes:
            cycle.body = bytearray(cycle.body)  # many small pieces behind it: adding to bytes copies all each time
        super().on_body(body)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _await_reader(self) -> None:
        self._stop_reader_clock()
        waiting = self.transport.get_write_buffer_size()
        self._reader = self.loop.call_later(READ_SECONDS, self._look_at_reader, waiting)

    def _look_at_reader(self, waited: int) -> None:
        """Goes on waiting where less waits than before, else lets go of the client and of what waits."""
        self._reader = None
        if self.transport.get_write_buffer_size() < waited:
            self._await_reader()
        else:
            self.transport.abort()

    def _stop_reader_clock(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
