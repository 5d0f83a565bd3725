"""What a new version takes over from the ones before it, and when those retire (``on_new_version``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from monitor.model.entities import Model, Version
from monitor.model.errors import InvalidInput, NotAvailableYet
from monitor.model.names import nearest
from monitor.model.time import parse_duration

FromBefore = Literal["inherit", "require"]
_FIELDS = ("reference", "retire_after")
_MAX_DURATION_CHARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """``inherit``: a version without a reference gets the newest live one's; ``retire_after_us`` None: never."""

    reference: FromBefore = "require"
    retire_after_us: int | None = None


def succession_of(shape: Any) -> Succession:
    """The rules of ``{"reference"?: "inherit" | "require", "retire_after"?: "7d"}``.

    >>> succession_of({"reference": "inherit", "retire_after": "7d"})
    Succession(reference='inherit', retire_after_us=604800000000)
    """
    if not isinstance(shape, dict):
        raise InvalidInput(f"on_new_version: expected an object with {', '.join(_FIELDS)}, found {str(shape)[:40]!r}")
    for key in shape:
        if key not in _FIELDS:
            raise InvalidInput(f"on_new_version: unknown key {str(key)[:40]!r}{nearest(str(key), _FIELDS)}")
    return Succession(reference=_reference(shape.get("reference")), retire_after_us=_after(shape.get("retire_after")))


def succession(model: Model) -> Succession:
    """The model's rules; without any, a new version needs a reference of its own and nothing retires."""
    return succession_of(model.settings.get("on_new_version") or {})


def went_live_us(version: Version) -> int:
    """When the version became live; of one stored before that was noted, when it was made."""
    return version.created_us if version.live_us is None else version.live_us


def retiring(versions: Sequence[Version], *, after_us: int, now_us: int) -> list[Version]:
    """The live versions that another one has followed for ``after_us``, in the order given.

    >>> old, new = (Version(id=n, model_id=1, name=str(n), live_us=n) for n in (1, 2))
    >>> [version.name for version in retiring([old, new], after_us=10, now_us=12)]
    ['1']
    """
    live = [version for version in versions if version.state == "live"]
    return [
        version
        for version in live
        if any(_follows(other, version) and went_live_us(other) + after_us <= now_us for other in live)
    ]


def _follows(later: Version, earlier: Version) -> bool:
    return (went_live_us(later), later.id) > (went_live_us(earlier), earlier.id)


def _reference(value: Any) -> FromBefore:
    if value == "first_windows":
        raise NotAvailableYet(
            "on_new_version.reference 'first_windows' is not available yet: set a reference from stored rows"
        )
    if value is None:
        return "require"
    if value not in get_args(FromBefore):
        known = (*get_args(FromBefore), "first_windows")
        hint = nearest(str(value), known)
        raise InvalidInput(f"on_new_version.reference {str(value)[:40]!r} is not one of {', '.join(known)}{hint}")
    return value  # type: ignore[no-any-return]


def _after(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _MAX_DURATION_CHARS:
        raise InvalidInput(
            f"on_new_version.retire_after {str(value)[:40]!r} is not a duration: expected a text such as 7d"
        )
    return min(parse_duration(value, name="on_new_version.retire_after"), 2**62)
