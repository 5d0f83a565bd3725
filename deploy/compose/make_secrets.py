"""Makes every secret of docker-compose.yml once, each readable by the user that needs it. Runs as root."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

# user and group of the images' processes
DRIFTLINE, POSTGRES, NOBODY, GRAFANA, ROOT = 10001, 999, 65534, 472, 0

# file: (user, group); a group other than the user's own may read it too
OWNERS = {
    "admin-token": (DRIFTLINE, DRIFTLINE),
    "read-token": (DRIFTLINE, DRIFTLINE),
    "ingest-token": (DRIFTLINE, DRIFTLINE),
    "metrics-token": (DRIFTLINE, NOBODY),
    "alertmanager-token": (DRIFTLINE, NOBODY),
    "postgres-password": (POSTGRES, POSTGRES),
    "database-url": (DRIFTLINE, DRIFTLINE),
    "grafana-admin-password": (GRAFANA, ROOT),
}


def make(directory: Path) -> list[str]:
    """The names of the files that were not there and are now."""
    made = [name for name in OWNERS if not (directory / name).exists()]
    if ("database-url" in made) != ("postgres-password" in made):
        raise SystemExit("one of database-url and postgres-password is there without the other: remove both, and the "
                         "volume `database`, whose password would be another one")  # fmt: skip
    password = secrets.token_urlsafe(32)
    for name in made:
        text = secrets.token_urlsafe(32)
        if name == "postgres-password":
            text = password
        if name == "database-url":
            text = f"postgresql://driftline:{password}@postgres:5432/driftline"
        write(directory / name, text=text)
    return made


def write(path: Path, *, text: str) -> None:
    """The file, whole or not at all, with its owner and mode."""
    user, group = OWNERS[path.name]
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(0o400 if group in (user, ROOT) else 0o440)
    os.chown(beside, user, group)
    beside.replace(path)


if __name__ == "__main__":
    for name in make(Path(sys.argv[1])):
        print(f"made {name}")
