"""Profiles past their age are merged, version after version, some steps whenever it is time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from monitor.evaluate.merge_profiles import merge_version
from monitor.model.entities import Model, Version
from monitor.model.errors import FenceLost, Held, NotFound, Unavailable
from monitor.model.profile_ages import ProfileAges
from monitor.store.engine import Store
from monitor.store.models import all_versions

STEPS = 200  # at once, in so many seconds: what else is tidied up waits no longer
TURN_SECONDS = 30.0

_log = logging.getLogger(__name__)


class ProfileMerging:
    """Goes through the fleet, and on where it was when it is asked again."""

    def __init__(self, store: Store, *, ages: ProfileAges) -> None:
        self._store = store
        self._ages = ages
        self._rest: Iterator[int] | None = None

    def run(self, *, now_us: int, steps: int = STEPS) -> bool:
        """Whether all versions have been gone through; else call it again soon."""
        rest, self._rest = self._rest or self._fleet(now_us=now_us), None
        until = time.monotonic() + TURN_SECONDS
        for _ in range(steps):
            if next(rest, None) is None:
                return True
            if time.monotonic() >= until:
                break
        self._rest = rest
        return False

    def _fleet(self, *, now_us: int) -> Iterator[int]:
        with self._store.read() as conn:
            fleet = all_versions(conn)
        for model, version in fleet:
            yield from self._version(model, version, now_us=now_us)

    def _version(self, model: Model, version: Version, *, now_us: int) -> Iterator[int]:
        try:
            yield from merge_version(self._store, model=model, version=version, ages=self._ages, now_us=now_us)
        except (FenceLost, Held, NotFound) as changed:
            _log.info("profiles of %s %s are merged another time: %s", model.name, version.name, changed)
        except Unavailable:
            raise
        except Exception:  # of one version, such as a damaged profile: the others do not wait for it
            _log.exception("profiles of %s %s could not be merged", model.name, version.name)
