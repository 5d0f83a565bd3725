"""What may be done to a store, in any order, beside a dict that says what must then be there."""

from __future__ import annotations

import copy
import gzip
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.faults.cluster import until
from tests.faults.fuzz.world import API, MEDIA_TYPES, SOON_SECONDS, World, body_of
from tests.faults.pair import JSON, NDJSON

IDS = [f"r{n}" for n in range(12)]
VERSIONS = ("1", "2")
MOST_MODELS = 3
RECORDS = st.lists(
    st.tuples(st.none() | st.sampled_from(IDS), st.integers(-1_000, 1_000).map(float)), min_size=1, max_size=8
)  # fmt: skip
LABELS = st.dictionaries(st.sampled_from(IDS), st.sampled_from(["yes", "no", None]), min_size=1, max_size=6)
MEDIA = st.sampled_from(MEDIA_TYPES)


@dataclass
class Known:
    """A model as it must be."""

    number: int  # of this model, whoever has the name afterwards
    rows: dict[str, dict[str, float]]  # version → id → x, as first committed
    ever: Counter[str] = field(default_factory=Counter)  # records that were ever in a version
    labels: dict[str, str | None] = field(default_factory=dict)
    told: dict[str, set[str | None]] = field(default_factory=dict)  # every label an id has had
    erased: bool = False
    held: bool = False


@dataclass(frozen=True)
class Sent:
    """A request of records with a key, and what it was answered."""

    model: str
    version: str
    media_type: str
    body: bytes
    answer: bytes


@dataclass
class Whole:
    """All that the rules know; a backup is a copy of it."""

    models: dict[str, Known] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    sent: dict[str, Sent] = field(default_factory=dict)


def records_of(records: list[tuple[str | None, float]]) -> list[dict[str, Any]]:
    """Flat records. An id has one time, so that what comes again under it is a repeat."""
    made = []
    for position, (id, x) in enumerate(records):
        minute = IDS.index(id) if id is not None else 12 + position
        named = {} if id is None else {"id": id}
        made.append({**named, "timestamp": f"2026-03-01T{minute % 3:02}:{minute:02}:00Z", "x": x})
    return made


class Machine(RuleBasedStateMachine):
    """One run; its server may have served others before, whose models are left alone."""

    world: World  # of the subclass

    def __init__(self) -> None:
        super().__init__()
        self.now = Whole()
        self.saved: tuple[Path, Whole] | None = None

    @initialize()
    def begin(self) -> None:
        """A model with records, labels and a backup: a run leaves out many rules, and these may be among them."""
        self._create(name := self._new_name())
        self._ingest(name, "1", [("r0", 1.0), (None, 2.0), ("r1", 3.0), ("r0", 4.0)], JSON)
        self._label(name, {"r0": "yes", "r2": "no"}, NDJSON)
        self.backup()

    @precondition(lambda self: len(self.now.models) < MOST_MODELS)
    @rule(again=st.booleans())
    def create(self, again: bool) -> None:
        """A model, perhaps of a name that is free again: nothing of who had it comes back."""
        self._create(min(self.now.gone) if again and self.now.gone else self._new_name())

    def _new_name(self) -> str:
        self.world.models += 1
        return f"m{self.world.models}"

    def _create(self, name: str) -> None:
        shape = {"task": "binary_classification", "lateness": "0s"}
        assert self.world.ask("PUT", f"/models/{name}", json=shape).status_code == 201
        for version in VERSIONS:
            assert self.world.ask("PUT", f"/models/{name}/versions/{version}", json={}).status_code == 201
        self.world.made += 1
        self.now.models[name] = Known(number=self.world.made, rows={version: {} for version in VERSIONS})
        self.now.gone.discard(name)

    @precondition(lambda self: self.now.models)
    @rule(data=st.data(), records=RECORDS, version=st.sampled_from(VERSIONS), media_type=MEDIA)
    def ingest(self, data: st.DataObject, records: list, version: str, media_type: str) -> None:
        self._ingest(self._model(data), version, records, media_type)

    def _ingest(self, name: str, version: str, records: list, media_type: str) -> None:
        body, key = body_of(records_of(records), media_type), str(uuid.uuid4())
        answer = self._post(name, version, media_type, body, key=key)
        assert "idempotency-replayed" not in answer.headers
        self._stored(Sent(name, version, media_type, body, answer.content), key, records, answer.json())

    def _model(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.now.models)), label="model")

    def _post(
        self, name: str, version: str, media_type: str, body: bytes, *, key: str, **headers: str
    ) -> httpx.Response:  # fmt: skip
        sent = {"Content-Type": media_type, "Idempotency-Key": key, **headers}
        return self.world.ask(
            "POST", f"/models/{name}/versions/{version}/predictions", content=body, headers=sent
        )  # fmt: skip

    def _stored(self, sent: Sent, key: str, records: list, answer: dict[str, Any]) -> None:
        """Enters in the dict what was acknowledged."""
        made = answer.get("ids") or [None] * len(records)
        named = [id or new for (id, _), new in zip(records, made, strict=True)]
        assert None not in named, answer
        assert (answer["stored"], answer["duplicate"]) == (len(set(named)), len(named) - len(set(named))), answer
        assert answer["quarantined"] == 0, answer
        known = self.now.models[sent.model]
        for id, (_, x) in zip(named, records, strict=True):
            self.world.acked.add((known.number, sent.version, id))
            if id not in known.rows[sent.version]:
                known.rows[sent.version][id] = x
                known.ever[sent.version] += 1
        self.now.sent[key] = sent

    @precondition(lambda self: self.now.sent)
    @rule(data=st.data(), zipped=st.booleans())
    def repeat(self, data: st.DataObject, zipped: bool) -> None:
        """The same key and body, packed or not: the first answer, and nothing is stored; another body: 422."""
        key = data.draw(st.sampled_from(list(self.now.sent)).map(str), label="key")
        first = self.now.sent[key]
        where = (first.model, first.version, first.media_type)
        headers = {"Content-Encoding": "gzip"} if zipped else {}
        again = self._post(*where, gzip.compress(first.body) if zipped else first.body, key=key, **headers)
        assert (again.status_code, again.headers.get("idempotency-replayed")) == (200, "true"), again.text
        assert again.content == first.answer
        other = self._post(*where, body_of(records_of([("r0", 1_001.0)]), first.media_type), key=key)
        assert other.status_code == 422, other.text

    @precondition(lambda self: self.now.models)
    @rule(data=st.data(), labels=LABELS, media_type=MEDIA)
    def label(self, data: st.DataObject, labels: dict[str, str | None], media_type: str) -> None:
        self._label(self._model(data), labels, media_type)

    def _label(self, name: str, labels: dict[str, str | None], media_type: str) -> None:
        body = body_of([{"id": id, "label": label} for id, label in labels.items()], media_type)
        answer = self.world.ask(
            "POST", f"/models/{name}/labels", content=body, headers={"Content-Type": media_type}
        )  # fmt: skip
        assert answer.json()["stored"] == len(labels), answer.text
        for id, label in labels.items():
            self.now.models[name].labels[id] = label
            self.now.models[name].told.setdefault(id, {None}).add(label)

    @rule(kill=st.booleans())
    def crash(self, kill: bool) -> None:
        """``kill -9``, or SIGTERM, and a new process."""
        self.world.again(kill=kill)

    @precondition(lambda self: self.now.models)
    @rule(data=st.data(), records=RECORDS, version=st.sampled_from(VERSIONS), media_type=MEDIA,
          milliseconds=st.integers(0, 40), kill=st.booleans())  # fmt: skip
    def crash_amid_ingest(
        self, data: st.DataObject, records: list, version: str, media_type: str, milliseconds: int, kill: bool
    ) -> None:
        """The request without an answer is sent again with its key, as a careful client does: stored once."""
        name, body, key = self._model(data), body_of(records_of(records), media_type), str(uuid.uuid4())
        url = f"{self.world.service.url}{API}/models/{name}/versions/{version}/predictions"
        headers, acked = {"Content-Type": media_type, "Idempotency-Key": key}, []

        def send() -> None:
            try:
                acked.append(httpx.post(url, content=body, headers=headers, timeout=60))
            except httpx.TransportError:
                return

        client = threading.Thread(target=send)
        client.start()
        time.sleep(milliseconds / 1_000)
        self.world.again(kill=kill)
        client.join(timeout=60)
        answer = self._post(name, version, media_type, body, key=key)
        assert answer.status_code == 200, answer.text
        for first in acked:
            assert first.status_code in (200, 503), first.text
            if first.status_code == 200:
                assert (first.content, answer.headers.get("idempotency-replayed")) == (answer.content, "true")
        self._stored(Sent(name, version, media_type, body, answer.content), key, records, answer.json())

    @precondition(lambda self: self.now.models)
    @rule(data=st.data(), version=st.sampled_from(VERSIONS))
    def tick(self, data: st.DataObject, version: str) -> None:
        """Windows are computed again, and what jobs do by themselves is waited for."""
        name = self._model(data)
        job = self.world.ask("POST", f"/models/{name}/versions/{version}/evaluate")
        assert job.status_code == 202, job.text
        self.world.done(job.json()["id"])
        until(lambda: self._odd(name) == [], within_seconds=SOON_SECONDS, what=f"{name}: {self._odd(name)}")

    def _odd(self, name: str) -> list[str]:
        """What jobs have yet to do of a model: labels that are not joined, rows that are in no window."""
        known, found = self.now.models[name], []
        for version, rows in known.rows.items():
            for record in self._found(name, version):
                wanted = known.labels.get(record["id"])
                if record.get("label") != wanted:
                    found.append(f"{version}: {record['id']} is {record.get('label')!r}, not {wanted!r}")
            windows = list(self.world.pages(f"/models/{name}/versions/{version}/windows"))
            there = sum(window["rows"] for window in windows)
            least = len(rows) if known.erased else known.ever[version]
            if not least <= there <= known.ever[version]:
                found.append(f"{version}: {there} rows in windows, not {least} to {known.ever[version]}")
        return found

    @precondition(lambda self: self.now.models)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self._model(data)
        answer = self.world.ask("DELETE", f"/models/{name}")
        if self.now.models[name].held:
            assert (answer.status_code, answer.json()["code"]) == (409, "legal_hold")
            return
        assert answer.status_code == 204, answer.text
        del self.now.models[name]
        self.now.gone.add(name)
        self.now.sent = {key: sent for key, sent in self.now.sent.items() if sent.model != name}

    @precondition(lambda self: self.now.models)
    @rule(data=st.data())
    def hold_or_let_go(self, data: st.DataObject) -> None:
        name = self._model(data)
        known = self.now.models[name]
        if known.held:
            assert self.world.ask("DELETE", f"/models/{name}/legal-hold").status_code == 204
        else:
            assert self.world.ask("PUT", f"/models/{name}/legal-hold", json={"reason": "case 7"}).status_code == 201
        known.held = not known.held

    @precondition(lambda self: self.now.models)
    @rule(data=st.data(), ids=st.sets(st.sampled_from(IDS), min_size=1, max_size=3))
    def erase(self, data: st.DataObject, ids: set[str]) -> None:
        name = self._model(data)
        known = self.now.models[name]
        answer = self.world.ask("POST", f"/models/{name}/erase", json={"ids": sorted(ids)})
        if known.held:
            assert (answer.status_code, answer.json()["code"]) == (409, "legal_hold")
            return
        assert answer.status_code == 202, answer.text
        self.world.done(answer.json()["job"])
        known.erased = True
        for place in (*known.rows.values(), known.labels, known.told):
            for id in ids:
                place.pop(id, None)

    @rule()
    def backup(self) -> None:
        self.saved = (self.world.backup(), copy.deepcopy(self.now))

    @precondition(lambda self: self.saved is not None)
    @rule()
    def restore(self) -> None:
        """Goes on elsewhere with what was there at the backup."""
        assert self.saved is not None
        file, then = self.saved
        self.world.restore(file)
        self.now = copy.deepcopy(then)

    @invariant()
    def what_is_read_is_what_was_acknowledged(self) -> None:
        for name, known in self.now.models.items():
            for version, rows in known.rows.items():
                self._reads(name, version, rows=rows, told=known.told)
                self.world.read |= {(known.number, version, id) for id in rows}
        for name in self.now.gone:
            assert self.world.ask("GET", f"/models/{name}").status_code == 404
            assert self.world.ask("GET", f"/models/{name}/versions/1/records").status_code == 404

    def _found(self, name: str, version: str) -> list[dict[str, Any]]:
        return list(self.world.pages(f"/models/{name}/versions/{version}/records"))

    def _reads(
        self, name: str, version: str, *, rows: dict[str, float], told: dict[str, Collection[str | None]]
    ) -> None:  # fmt: skip
        found = self._found(name, version)
        if len(found) != len(rows):
            note(f"{name}/{version} has {found}")
        assert {record["id"]: record["features"]["x"] for record in found} == rows, (name, version)
        assert len(found) == len(rows), "a record is there twice"
        for record in found:
            assert record.get("label") in told.get(record["id"], {None}), record
