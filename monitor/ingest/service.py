"""The ingest routes as plain ASGI endpoints (half the cost of FastAPI ones)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from monitor.ingest.budget import ByteBudget
from monitor.ingest.group_commit import GroupCommitter
from monitor.ingest.labels import Labels
from monitor.ingest.limits import Limits
from monitor.ingest.predictions import Predictions
from monitor.ingest.receive import Receiver
from monitor.ingest.replay import Replayed, replay_quarantine
from monitor.ingest.replay_labels import ReplayedLabels, replay_labels
from monitor.ingest.request import LABEL_PARAMETERS, head_of
from monitor.ingest.targets import LabelTargets, Targets
from monitor.ingest.work import Committed
from monitor.store import Store
from monitor.store.run_cache import RunCache
from monitor.telemetry import Telemetry

_DECODERS = 2  # bodies decoded at a time: bounds what decompression and tables hold at once


class IngestService:
    """Everything behind ``POST …/predictions`` and ``POST …/labels`` of one process: made once, closed on shutdown.

    ``labels`` is the endpoint of labels, the service itself that of predictions.
    """

    def __init__(
        self, store: Store, telemetry: Telemetry, *,
        limits: Limits, clock: Callable[[], int], auto_create: bool = False, runs: RunCache | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._pool = ThreadPoolExecutor(_DECODERS, thread_name_prefix="driftline-decode")
        self.targets = Targets(store, clock=clock, auto_create=auto_create)
        self.label_targets = LabelTargets(store)
        self.committer = GroupCommitter(store, telemetry, clock=clock)
        self.receiver = Receiver(store, self.committer, telemetry, limits=limits, clock=clock, pool=self._pool)
        self._predictions = Predictions(store, telemetry, limits=limits)
        self._labels = Labels(store, telemetry, limits=limits, runs=runs or RunCache(store))
        self.labels = Endpoint(self.answer_labels)

    @property
    def budget(self) -> ByteBudget:
        """The bytes that all requests of the process may hold together; other routes lease of it too."""
        return self.receiver.budget

    async def predictions(self, request: Request) -> Response:
        """The answer to ``POST /models/{model}[/versions/{version}]/predictions``; refusals are raised.

        Only ``DriftlineError`` is raised: the application renders it as a problem document, with
        ``Retry-After`` where the error has ``retry_after_seconds``.
        """
        answer = await self.answer(request.scope, request.receive)
        headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
        return Response(answer.body, media_type="application/json", headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same as an ASGI endpoint, for ``Route(path, endpoint=service, methods=["POST"])``.

        It saves the wrapping of request and response, a tenth of what an answer costs.
        """
        await respond(await self.answer(scope, receive), send)

    async def answer(self, scope: Scope, receive: Receive) -> Committed:
        """What a request of predictions is answered once its records are on disk; times it."""
        began = time.perf_counter()
        try:
            path = scope["path_params"]
            model = version = ""  # a label for every name that somebody makes up would have no bound
            try:
                target = await self.targets.get(path["model"], path.get("version"))
                model, version = target.model.name, target.version.name
                head = head_of(scope["headers"], scope["query_string"])
            except Exception:
                self._telemetry.records.labels(model, version, "rejected").inc()
                raise
            return await self.receiver.receive(
                self._predictions.course(target), head, receive, meter=scope.get("meter")
            )
        finally:
            self._telemetry.ingest_seconds.observe(time.perf_counter() - began)

    async def answer_labels(self, scope: Scope, receive: Receive) -> Committed:
        """What a request of labels is answered once they are on disk; times it."""
        began = time.perf_counter()
        try:
            model = ""
            try:
                target = await self.label_targets.get(scope["path_params"]["model"])
                model = target.model.name
                head = head_of(scope["headers"], scope["query_string"], parameters=LABEL_PARAMETERS)
            except Exception:
                self._telemetry.labels.labels(model, "rejected").inc()
                raise
            return await self.receiver.receive(self._labels.course(target), head, receive, meter=scope.get("meter"))
        finally:
            self._telemetry.ingest_seconds.observe(time.perf_counter() - began)

    def replay(self, model: str, version: str, *, ids: Sequence[int] | None = None) -> Replayed:
        """Quarantined records put back through ingest (blocking; ``ids`` are their numbers, None: the oldest)."""
        target = self.targets.load(model, version)
        return replay_quarantine(self._store, target=target, clock=self._clock, limits=self.receiver.limits, ids=ids)

    def replay_labels(self, model: str, *, ids: Sequence[int] | None = None) -> ReplayedLabels:
        """Quarantined labels put back through ingest (blocking; ``ids`` are their numbers, None: the oldest)."""
        target = self.label_targets.load(model)
        return replay_labels(self._store, shared=self._labels, target=target, clock=self._clock, ids=ids)

    def invalidate(self) -> None:
        """Forget cached models, versions and schemas: call after any change of a model, version or reference."""
        self.targets.invalidate()
        self.label_targets.invalidate()

    def close(self) -> None:
        """Commit what waits and end the threads; later requests get ``Unavailable``."""
        self.committer.stop()
        self._pool.shutdown()


class Endpoint:
    """An ASGI endpoint that answers with what a function says was committed."""

    def __init__(self, answer: Callable[[Scope, Receive], Awaitable[Committed]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await respond(await self._answer(scope, receive), send)


async def respond(answer: Committed, send: Send) -> None:
    """Sends the 200 answer of a request that is on disk."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer.body))]
    if answer.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
