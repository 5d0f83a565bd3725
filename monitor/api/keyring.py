"""The tokens of this process, in memory: no request asks the database.

Read again every ``REFRESH_SECONDS``, so that what one replica makes or revokes holds on all of them by then; on the one
that did it, at once. Memory is bounded by the tokens that exist: unknown ones leave no trace.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter

from monitor.api.access import EVERYBODY, NOBODY, Caller, Role, caller_of
from monitor.ingest.quota import Meter
from monitor.model.errors import DriftlineError
from monitor.model.grants import Grant, digest_of
from monitor.model.time import HOUR_US
from monitor.repeated import Repeated
from monitor.store import Store
from monitor.store.tokens import StoredToken, list_tokens, note_use
from monitor.tokens_file import TokensFile

REFRESH_SECONDS = 2.0
USE_NOTED_US = HOUR_US
_PREFIX_BYTES = 8
_SCHEME = b"bearer "
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A token that may open something: its hash, who holds it; ``id`` where it is in the database."""

    digest: bytes
    grant: Grant
    caller: Caller
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Every key by the first bytes of its hash; ``needed`` once there is a token at all."""

    needed: bool = False
    keys: dict[bytes, tuple[Key, ...]] = field(default_factory=dict)


class Keyring:
    """Says who a caller is. Threads share it."""

    def __init__(
        self, store: Store, *, now_us: Callable[[], int], seconds: Callable[[], float], refused: Counter,
        file: TokensFile | None = None, open_metrics: bool = False,
    ) -> None:  # fmt: skip
        self._store = store
        self._now_us = now_us
        self._file = file
        free: frozenset[Role] = frozenset({"open", "metrics"}) if open_metrics else NOBODY.free
        self._nobody = Caller(held=free, free=free)
        self._ring = Ring()
        self._seconds = seconds
        self._refused = refused
        self._meters: dict[bytes, Meter] = {}
        self._reading = threading.Lock()
        self._used: set[int] = set()
        self._repeated = Repeated(self._refresh_again, every_seconds=REFRESH_SECONDS, name="tokens")
        self.refresh()

    @property
    def needed(self) -> bool:
        """Whether there are tokens, so that every request needs one: also if all of them have ended."""
        return self._ring.needed

    @property
    def file_grants(self) -> list[Grant]:
        """What the tokens of the file allow."""
        return [token.grant for token in self._file.tokens] if self._file is not None else []

    def identify(self, authorization: bytes) -> Caller:
        """Who sent this header; whoever has no token that is good now is nobody, whatever the reason.

        The table is asked for the first bytes of the hash, and the whole hash compared in constant time: how long
        either takes says something of a hash, and nothing of a token.
        """
        ring = self._ring
        if not ring.needed:
            return EVERYBODY
        if authorization[:7].lower() != _SCHEME:
            return self._nobody
        digest = digest_of(authorization[7:].strip())
        for key in ring.keys.get(digest[:_PREFIX_BYTES], ()):
            if hmac.compare_digest(key.digest, digest) and key.grant.live(self._now_us()):
                if key.id is not None:
                    self._used.add(key.id)
                return key.caller
        return self._nobody

    def refresh(self) -> None:
        """Reads the tokens again; raises ``Unavailable`` where the database is away."""
        with self._reading:  # one after the other: what was read last is in force, and each token has one meter
            self._read()

    def _read(self) -> None:
        if self._file is not None:
            self._file.look()
        with self._store.read() as conn:
            stored = list_tokens(conn)
        now_us = self._now_us()
        keys = [self._key(s.grant, digest=s.digest, id=s.id) for s in stored if s.live(now_us)]
        keys += [self._key(t.grant, digest=t.digest) for t in (self._file.tokens if self._file is not None else ())]
        by_prefix: dict[bytes, tuple[Key, ...]] = {}
        for key in keys:
            prefix = key.digest[:_PREFIX_BYTES]
            by_prefix[prefix] = (*by_prefix.get(prefix, ()), key)
        self._meters = {key.digest: key.caller.meter for key in keys if key.caller.meter is not None}
        self._ring = Ring(needed=bool(stored or keys), keys=by_prefix)
        self._note_uses(stored, now_us=now_us)

    def start(self) -> None:
        """Reads again every two seconds from now on."""
        self._repeated.start()

    def close(self) -> None:
        """No more reading; returns when the last has ended."""
        self._repeated.close()

    def _refresh_again(self) -> None:
        try:
            self.refresh()
        except DriftlineError as away:  # what was read last stays: without its database the server serves little
            _log.warning("tokens were not read again: %s", away)
        except Exception:  # whatever it was: if the thread ended, a revoked token would open this replica for good
            _log.exception("tokens were not read again")

    def _key(self, grant: Grant, *, digest: bytes, id: int | None = None) -> Key:
        meter = self._meter(grant, digest=digest)
        return Key(digest=digest, grant=grant, caller=caller_of(grant, free=self._nobody.free, meter=meter), id=id)

    def _meter(self, grant: Grant, *, digest: bytes) -> Meter | None:
        """What counts the token's use: the same as long as there is the token, whatever its quota is now."""
        if grant.quota is None:
            return None
        meter = self._meters.get(digest)
        if meter is None:
            return Meter(grant.quota, name=grant.name, seconds=self._seconds, refused=self._refused)
        meter.quota = grant.quota
        return meter

    def _note_uses(self, stored: Sequence[StoredToken], *, now_us: int) -> None:
        """Writes down which tokens were used, each once an hour at most."""
        used, self._used = self._used, set()
        ids = [s.id for s in stored if s.id in used and now_us - (s.last_used_us or 0) >= USE_NOTED_US]
        if ids:
            with self._store.write() as conn:
                note_use(conn, ids=ids, now_us=now_us)
