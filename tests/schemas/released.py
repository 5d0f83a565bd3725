"""The databases that releases left: where they are kept, and how one is put back."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

KEPT = Path(__file__).parent / "kept"
# Of a dump: what concerns the session that loads it, and what only psql or a newer server understands.
_LEFT_OUT = ("\\", "SET ", "SELECT pg_catalog.set_config", "--", "CREATE SCHEMA", "COMMENT ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What was kept of one schema: an SQLite file, a PostgreSQL dump, and what a client of that release knew."""

    revision: str

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """(the SQLite file, the PostgreSQL dump, the facts), each compressed."""
        return (
            KEPT / f"{self.revision}.db.xz", KEPT / f"{self.revision}.sql.xz", KEPT / f"{self.revision}.json.xz",
        )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """What was acknowledged and read, see ``tests.schemas.life``."""
        return dict(json.loads(lzma.decompress(self.files[2].read_bytes())))

    def keep(self, *, database: Path, dump: str, facts: Path) -> None:
        """Writes all three."""
        KEPT.mkdir(exist_ok=True)
        lines = [line for line in dump.splitlines() if line and not line.startswith(_LEFT_OUT)]
        contents = (database.read_bytes(), "\n".join(lines).encode() + b"\n", facts.read_bytes())
        for file, content in zip(self.files, contents, strict=True):
            file.write_bytes(lzma.compress(content, preset=9))

    def load(self, url: str) -> None:
        """Puts it into an empty place: a file that is not there, or a PostgreSQL database without tables."""
        made = sa.make_url(url)
        if made.get_backend_name() == "sqlite":
            Path(str(made.database)).write_bytes(lzma.decompress(self.files[0].read_bytes()))
            return
        import psycopg

        with psycopg.connect(made.set(drivername="postgresql").render_as_string(hide_password=False)) as conn:
            conn.execute(lzma.decompress(self.files[1].read_bytes()).decode())
