"""The HTTP API from a shell: one client, its options, its errors in words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

import monitor
from monitor.model.errors import DriftlineError
from monitor.settings import load_settings

Url = Annotated[str | None, typer.Option("--url", help="the server [DRIFTLINE_URL]", show_default=False)]
Token = Annotated[str | None, typer.Option("--token", help="bearer token [DRIFTLINE_TOKEN]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="print the server's JSON and nothing else")]

ATTEMPTS = 6
LONGEST_WAIT_SECONDS = 30.0
PIECE_SECONDS = 180.0  # of a long answer
_MOST_ERRORS = 100  # of a set of files: somebody corrects them all at once


class ServerRefused(DriftlineError):
    """The server said no, or could not be reached; ``detail`` is its own explanation."""

    title = "Refused"

    def __init__(self, detail: str, *, status: int = 0) -> None:
        super().__init__(detail)
        self.status = status


class Server:
    """A Driftline server. Calls that are safe to repeat are repeated while it is busy."""

    def __init__(self, *, url: str | None = None, token: str | None = None, transport: Any = None) -> None:
        settings = load_settings(os.environ, options={"url": url, "token": token})
        headers = {"User-Agent": f"driftline/{monitor.__version__}"}
        if settings.token is not None:
            headers["Authorization"] = f"Bearer {settings.token}"
        self.url = settings.url
        self._client = httpx.Client(
            base_url=f"{settings.url}/api/v1/", headers=headers, timeout=httpx.Timeout(120.0, connect=10.0),
            transport=transport,
        )  # fmt: skip

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def call(self, method: str, path: str, *, repeat: bool | None = None, **request: Any) -> httpx.Response:
        """The answer, if it is a success; ``ServerRefused`` with the server's words otherwise.

        ``repeat`` says that the call may be made again (GET always may): after 503, 409 and 429 that name a
        ``Retry-After``, and when the connection breaks.
        """
        repeatable = repeat if repeat is not None else method == "GET"
        for attempt in range(1, ATTEMPTS + 1):
            last = not repeatable or attempt == ATTEMPTS
            try:
                response = self._client.request(method, path, **request)
            except httpx.TransportError as error:
                if last:
                    raise ServerRefused(
                        f"{self.url} cannot be reached ({error}): is the server running? See driftline serve --help"
                    ) from None
                time.sleep(_wait(None, attempt=attempt))
                continue
            if response.is_success:
                return response
            if last or "retry-after" not in response.headers:
                raise ServerRefused(_words(response), status=response.status_code)
            time.sleep(_wait(response.headers["retry-after"], attempt=attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def lines(self, path: str, **request: Any) -> Iterator[dict[str, Any]]:
        """The objects of a ``POST`` that answers line by line; asked again while the server is busy.

        ``ServerRefused`` with the server's words, also where they come as the last line.
        """
        headers = {"Accept": "application/x-ndjson"}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._client.stream("POST", path, headers=headers, **request) as response:
                    if response.is_success:
                        yield from _objects(response)
                        return
                    response.read()
            except httpx.TransportError as error:
                raise ServerRefused(f"{self.url} cannot be reached, or went away meanwhile ({error})") from None
            if attempt == ATTEMPTS or "retry-after" not in response.headers:
                raise ServerRefused(_words(response), status=response.status_code)
            time.sleep(_wait(response.headers["retry-after"], attempt=attempt))

    def pieces(self, path: str) -> Iterator[bytes]:
        """The bytes of a ``POST`` that answers with a file, as they come; ``ServerRefused`` where they break off."""
        try:
            with self._client.stream("POST", path, timeout=httpx.Timeout(PIECE_SECONDS, connect=10.0)) as response:
                if not response.is_success:
                    response.read()
                    raise ServerRefused(_words(response), status=response.status_code)
                yield from response.iter_raw()
        except httpx.TransportError as error:
            raise ServerRefused(f"{self.url} cannot be reached, or went away meanwhile ({error})") from None

    def pages(self, path: str, *, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Every result of a list, page after page."""
        cursor: str | None = None
        while True:
            given = {k: v for k, v in {**params, "cursor": cursor}.items() if v is not None}
            page = self.call("GET", path, params=given).json()
            yield from page["results"]
            cursor = page["next"]
            if cursor is None:
                return


def ask(url: str | None, token: str | None, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer of one call to the server that the options name."""
    with Server(url=url, token=token) as server:
        return server.call(method, path, **request)


def listed(
    url: str | None, token: str | None, path: str, *, params: dict[str, Any] | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """The results of a list of the server that the options name, from all its pages, at most ``limit``."""
    with Server(url=url, token=token) as server:
        return list(islice(server.pages(path, params=params or {}), limit))


def model_path(model: str, *rest: str) -> str:
    """The path of a model below ``/api/v1``.

    >>> model_path("churn", "labels")
    'models/churn/labels'
    """
    return "/".join(["models", quote(model, safe=""), *rest])


def version_path(model: str, version: str, *rest: str) -> str:
    """The path of a version below ``/api/v1``.

    >>> version_path("churn", "42", "status")
    'models/churn/versions/42/status'
    """
    return model_path(model, "versions", quote(version, safe=""), *rest)


def _objects(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        found = json.loads(line)
        if "problem" in found:
            problem = found["problem"]
            raise ServerRefused(
                f"{problem['title']} ({problem['status']}): {problem['detail']}", status=problem["status"]
            )
        yield found


def _wait(retry_after: str | None, *, attempt: int) -> float:
    if retry_after is not None and retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT_SECONDS)
    return min(0.5 * 2.0**attempt, LONGEST_WAIT_SECONDS)


def _words(response: httpx.Response) -> str:
    try:
        problem = response.json()
        detail = f"{problem['title']} ({problem['status']}): {problem['detail']}"
        shown = _MOST_ERRORS if problem.get("code") == "configuration" else 10
        return "\n  ".join([detail, *(str(e.get("message", e)) for e in problem.get("errors", [])[:shown])])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the server answered {response.status_code}, and not as Driftline does: is {response.url} one?"
