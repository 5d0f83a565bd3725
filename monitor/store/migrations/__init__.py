"""The schema's history: one file a migration, applied in order by ``monitor.store.migrate``."""

from __future__ import annotations

REVISIONS = (
    "v0001",
    "v0002",
    "v0003",
    "v0004",
    "v0005",
    "v0006",
    "v0007",
    "v0008",
    "v0009",
    "v0010",
    "v0011",
    "v0012",
    "v0013",
    "v0014",
    "v0015",
    "v0016",
)  # every migration of this release, oldest first
