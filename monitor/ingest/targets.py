"""Which version a request writes to, kept for a second: (model, version) → its schema and decoders."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from monitor.ingest.plan import RecordPlan
from monitor.model.entities import Model, Version
from monitor.model.errors import Conflict, NotFound
from monitor.model.names import valid_name
from monitor.model.schema import Schema
from monitor.store import Store, models, schemas

TTL_SECONDS = 1.0
_KEPT = 10_000
_PLANS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Target:
    """A version with what its records are decoded by."""

    model: Model
    version: Version
    schema: Schema | None
    plan: RecordPlan | None


class Targets:
    """Looks versions up, from memory for at most ``TTL_SECONDS``; safe to ask from several threads."""

    def __init__(self, store: Store, *, clock: Callable[[], int], auto_create: bool) -> None:
        self._store = store
        self._clock = clock
        self._auto_create = auto_create
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str | None], tuple[float, Target]] = OrderedDict()
        self._plans: OrderedDict[int, RecordPlan] = OrderedDict()
        self._loading: dict[tuple[str, str | None], asyncio.Task[Target]] = {}
        self._generation = 0

    def invalidate(self) -> None:
        """Forget everything: the next request of each version reads the store."""
        with self._lock:
            self._generation += 1
            self._found.clear()

    async def get(self, model: str, version: str | None) -> Target:
        """The target (``version`` None: the newest live one), or ``NotFound`` that says how to create it."""
        key = (model, version)
        known = self._found.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        loading = self._loading.get(key)
        if loading is None:  # one reader a version, however many requests wait
            loading = asyncio.ensure_future(asyncio.to_thread(self.load, model, version))
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    def load(self, model: str, version: str | None) -> Target:
        """The target as stored now (made first where that is allowed)."""
        generation = self._generation
        valid_name(model, kind="model")
        if version is not None:
            valid_name(version, kind="version")
        try:
            target = self._read(model, version)
        except NotFound:
            if not self._auto_create:
                raise
            self._create(model, version or "1")
            target = self._read(model, version)
        with self._lock:
            if generation == self._generation:
                self._found[model, version] = (time.monotonic() + TTL_SECONDS, target)
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
        return target

    def _read(self, model: str, version: str | None) -> Target:
        with self._store.read() as conn:
            if version is None:
                found, newest = models.newest_live_version(conn, model=model)
            else:
                found, newest = models.get_version(conn, model=model, version=version)
            schema_id = newest.schema_id
            plan = self._plans.get(schema_id) if schema_id is not None else None
            if schema_id is not None and plan is None:
                plan = self._keep(schema_id, RecordPlan(schemas.get_schema(conn, id=schema_id)))
        return Target(found, newest, plan.schema if plan is not None else None, plan)

    def _keep(self, schema_id: int, plan: RecordPlan) -> RecordPlan:
        with self._lock:
            self._plans[schema_id] = plan
            while len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        return plan

    def _create(self, model: str, version: str) -> None:
        now_us = self._clock()
        with self._store.write() as conn:
            try:
                found = models.get_model(conn, name=model)
            except NotFound:
                found = models.insert_model(conn, Model(name=model, created_us=now_us, updated_us=now_us))
            try:
                models.insert_version(
                    conn, Version(model_id=found.id, name=version, created_us=now_us, updated_us=now_us)
                )
            except Conflict:  # another request made it first
                return
