"""Names of models, versions and checks: one rule, one message."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from monitor.model.errors import InvalidInput

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME = re.compile(NAME_PATTERN)


def valid_name(name: str, *, kind: str) -> str:
    """The name itself, or ``InvalidInput`` that shows (at most 40 characters of) it and the rule.

    >>> valid_name("churn-2", kind="model")
    'churn-2'
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidInput(
            f"{kind} name {name[:40]!r} is not allowed: expected {NAME_PATTERN} "
            "(1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit)",
            code="name",
        )
    return name


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint `` (did you mean 'x'?)`` for an unknown name, or an empty string.

    >>> nearest("windw", ["window", "team"])
    " (did you mean 'window'?)"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def known_fields(shape: Any, *, name: str, known: tuple[str, ...], code: str) -> Mapping[str, Any]:
    """The object itself; ``InvalidInput`` with that code where it is none, or has a field that is not known.

    >>> known_fields({"rows": "14d"}, name="privacy.retention", known=("rows",), code="retention")
    {'rows': '14d'}
    """
    if not isinstance(shape, Mapping):
        raise InvalidInput(f"{name}: expected an object with {', '.join(known)}, found {shape!r:.40}", code=code)
    for key in shape:
        if key not in known:
            raise InvalidInput(
                f"{name} field {str(key)[:40]!r} is not known{nearest(str(key), known)}: expected {', '.join(known)}",
                code=code,
            )
    return shape
