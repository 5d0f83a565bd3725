"""What a request writes to, kept for a second: a version with its schema and decoders, or a model for labels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from monitor.ingest.plan import RecordPlan
from monitor.ingest.remembered import Remembered
from monitor.model.defaults import following
from monitor.model.entities import Model, Version
from monitor.model.errors import InvalidInput, NotFound, Taken
from monitor.model.names import valid_name
from monitor.model.schema import Schema
from monitor.store import Store, models, schemas
from monitor.store.sealing import newest_sealed

_PLANS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Target:
    """A version with what its records are decoded by; ``sealed_until_us`` is the end of its newest sealed window."""

    model: Model
    version: Version
    schema: Schema | None
    plan: RecordPlan | None
    sealed_until_us: int = 0


class Targets:
    """Looks versions up, from memory for at most a second; safe to ask from several threads."""

    def __init__(self, store: Store, *, clock: Callable[[], int], auto_create: bool) -> None:
        self._store = store
        self._clock = clock
        self._auto_create = auto_create
        self._lock = threading.Lock()
        self._plans: OrderedDict[int, RecordPlan] = OrderedDict()
        self._known = Remembered(self._made)

    def invalidate(self) -> None:
        """Forget everything: the next request of each version reads the store."""
        self._known.invalidate()

    async def get(self, model: str, version: str | None) -> Target:
        """The target (``version`` None: the newest live one), or ``NotFound`` that says how to create it."""
        return await self._known.get((model, version))

    def load(self, model: str, version: str | None) -> Target:
        """The target as stored now (made first where that is allowed)."""
        return self._known.load((model, version))

    def _made(self, key: tuple[str, str | None]) -> Target:
        model, version = key
        valid_name(model, kind="model")
        if version is not None:
            valid_name(version, kind="version")
        try:
            return self._read(model, version)
        except NotFound:
            if not self._auto_create:
                raise
            self._create(model, version or "1")
            return self._read(model, version)

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
            sealed_us = newest_sealed(conn, version_id=newest.id)
        until_us = 0 if sealed_us is None else found.window.end_of(sealed_us)
        return Target(found, newest, plan.schema if plan is not None else None, plan, until_us)

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
                made = Version(model_id=found.id, name=version, created_us=now_us, updated_us=now_us)
                models.insert_version(conn, following(made, model=found))
            except Taken:  # another request made it first
                return


@dataclass(frozen=True, slots=True)
class LabelTarget:
    """A model that labels are for, with the ids of its versions, the newest first."""

    model: Model
    version_ids: tuple[int, ...]


class LabelTargets:
    """Looks models up, from memory for at most a second; labels make no model."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = Remembered(self._read)
        self.get = self._known.get
        self.load = self._known.load
        self.invalidate = self._known.invalidate

    def _read(self, model: str) -> LabelTarget:
        valid_name(model, kind="model")
        with self._store.read() as conn:
            found = models.get_model(conn, name=model)
            versions = models.list_versions(conn, model_id=found.id)
        if found.task == "none":
            raise InvalidInput(
                f"model {model!r} has the task 'none', for which labels mean nothing: set its task first, with "
                f'PUT /api/v1/models/{model} {{"task": "binary_classification"}}, "multiclass_classification" or '
                '"regression", and send the labels again',
                code="no_task",
            )
        return LabelTarget(found, tuple(sorted((v.id for v in versions), reverse=True)))
