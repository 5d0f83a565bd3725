"""``ETag`` and ``If-Match`` (RFC 9110, section 13.1.1): a change may name the revision it was made from."""

from __future__ import annotations

from starlette.requests import Request

from monitor.model.errors import PreconditionFailed


def etag_of(revision: int) -> str:
    """The entity tag of a revision.

    >>> etag_of(3)
    '"3"'
    """
    return f'"{revision}"'


def check_if_match(request: Request, *, revision: int | None) -> bool:
    """Whether ``If-Match`` was given and holds; ``PreconditionFailed`` if it does not.

    ``revision`` is the stored one, None where there is nothing stored.
    """
    header = request.headers.get("if-match")
    if header is None:
        return False
    tags = [tag.strip() for tag in header.split(",")]
    if revision is not None and ("*" in tags or etag_of(revision) in tags):
        return True
    stored = "nothing is stored" if revision is None else f"the stored one is {etag_of(revision)}"
    raise PreconditionFailed(f"If-Match {header[:80]} does not hold: {stored}; read it again")
