"""``POST /backup``: everything that is stored, as one stream that whoever asked keeps."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from starlette.responses import Response, StreamingResponse

from monitor.api.access import API
from monitor.api.routing import Operation
from monitor.api.services import Parts
from monitor.model.time import rfc3339
from monitor.store.backup.file import MEDIA_TYPE


def post_backup(services: Parts) -> Response:
    """A backup of everything acknowledged before the request, written while it is sent.

    The end of the file is its digest: without it, it is not whole.
    """
    created = rfc3339(services.now_us())
    name = f"driftline-{created[:19].replace('-', '').replace(':', '')}Z.backup"
    pieces = services.backups.stream(created=created)
    return StreamingResponse(
        _begun(pieces), media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )  # fmt: skip


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first made already: what fails at once is an error answer and no broken stream."""
    return chain([next(pieces, b"")], pieces)


OPERATIONS = (
    Operation(method="POST", path=f"{API}/backup", endpoint=post_backup, tag="service",
              summary="Everything that is stored, as one file",
              answers={200: "the backup (application/vnd.driftline.backup); its last 40 bytes are its digest",
                       503: "another backup is written, or the database cannot be read now"}, gives=(MEDIA_TYPE,)),
)  # fmt: skip
