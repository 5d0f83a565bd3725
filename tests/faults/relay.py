"""A network between a server and its database that a test can stop: bytes are taken, acknowledged and kept back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg
import sqlalchemy as sa


class Relay:
    """Forwards the connections to a loopback port to the PostgreSQL at ``url``, but between ``stall`` and ``resume``.

    While it is stalled nothing is refused, reset or closed: connections open, and what is sent arrives in the buffers
    of the kernel, ``buffer_bytes`` in each where it is told.
    """

    def __init__(self, url: str, *, buffer_bytes: int | None = None) -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as conn:
            self._host, self._port = conn.info.host, conn.info.port
        self._listener = socket.socket()
        if buffer_bytes is not None:  # before it listens: connections have it from here
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(100)
        self.port = int(self._listener.getsockname()[1])
        self._forwarding = threading.Event()
        self._forwarding.set()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def url(self, of: str) -> str:
        """The address of a database of that PostgreSQL, by way of here."""
        direct = sa.make_url(of).difference_update_query(["host", "port"])
        return direct.set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    def stall(self) -> None:
        self._forwarding.clear()

    def resume(self) -> None:
        self._forwarding.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.resume()
        for end in (self._listener, *self._open):
            _end(end)
            end.close()

    def _take(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = self._connect()
            except OSError:
                return
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        local = socket.socket(socket.AF_UNIX)
        local.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return local

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while True:
                self._forwarding.wait()
                if not (some := source.recv(65_536)):
                    break
                self._forwarding.wait()  # what came as the network stopped has not come through
                target.sendall(some)
        except OSError:
            pass
        _end(source)
        _end(target)


def _end(end: socket.socket) -> None:
    with suppress(OSError):  # it has ended
        end.shutdown(socket.SHUT_RDWR)
