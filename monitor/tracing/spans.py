"""Spans as the rest of the service sees them: begun by an entry point, divided into stages by what works for it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from monitor.tracing.traceparent import TraceParent

R = TypeVar("R")
Attribute = str | int | float | bool
TRACE_ID: ContextVar[str] = ContextVar("trace_id", default="")  # 32 hex digits; empty: part of no trace
CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)  # None: nothing is recorded
_NOTHING: AbstractContextManager[None] = nullcontext()


class Link(Protocol):
    """What names a span to another span; opaque."""


class Span(Protocol):
    """Something that began and will end. Attributes are numbers and words of our own, never what a client sent."""

    trace_id: str
    recording: bool

    @property
    def link(self) -> Link:
        """What names it to another span."""
        ...

    def note(self, attributes: Mapping[str, Attribute]) -> None:
        """Adds attributes."""
        ...

    def stage(self, name: str) -> AbstractContextManager[None]:
        """A part of it, timed."""
        ...

    def child(self, name: str) -> Span:
        """A part of it that has attributes and parts of its own."""
        ...

    def end(self, *, name: str | None = None, failed: str = "") -> None:
        """It is over; ``failed`` is the kind of error, never its message."""
        ...


class Tracer(Protocol):
    """Begins spans; a process has one, or None where traces are off."""

    def request(self, *, parent: TraceParent | None) -> Span:
        """A request comes in."""
        ...

    def work(self, name: str, *, links: Sequence[Link]) -> Span:
        """Work begins that no request waits in."""
        ...

    def start(self) -> None:
        """Sends from now on, in a thread of this process."""
        ...

    def close(self) -> None:
        """Sends what waits, for two seconds at most."""
        ...


def stage(name: str) -> AbstractContextManager[Any]:
    """Times the block as a part of what this task or thread works for; does nothing where that is not recorded."""
    span = CURRENT.get()
    return _NOTHING if span is None else span.stage(name)


def staged(name: str, awaited: Awaitable[R]) -> Awaitable[R]:
    """What is awaited, timed as a ``stage``; itself where nothing is recorded, which costs nothing."""
    span = CURRENT.get()
    return awaited if span is None else _staged(span.stage(name), awaited)


async def _staged(around: AbstractContextManager[Any], awaited: Awaitable[R]) -> R:
    with around:
        return await awaited


@contextmanager
def spanned(
    tracer: Tracer | None,
    name: str,
    *,
    attributes: Mapping[str, Attribute],
    links: Sequence[Link] = (),
    no_failure: type[BaseException] | tuple[()] = (),
) -> Iterator[Span | None]:
    """The block is work of its own, or part of the work around it; what is logged in it belongs to it.

    None where traces are off. It failed where it raises, unless ``no_failure``.
    """
    if tracer is None:
        yield None
        return
    around = CURRENT.get()
    span = tracer.work(name, links=links) if around is None else around.child(name)
    span.note(attributes)
    told, current = TRACE_ID.set(span.trace_id), CURRENT.set(span if span.recording else None)
    failed = ""
    try:
        yield span
    except BaseException as error:
        failed = "" if isinstance(error, no_failure) else type(error).__name__
        raise
    finally:
        CURRENT.reset(current)
        TRACE_ID.reset(told)
        span.end(failed=failed)
