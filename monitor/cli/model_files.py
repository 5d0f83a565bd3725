"""The files of one set: found, read, and what they say of reference files looked up on this disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.cli.files import digest_of
from monitor.configuration.problems import InvalidConfiguration, Place, Problem
from monitor.configuration.reading import MAX_FILE_BYTES, Document, read_documents
from monitor.model.errors import Malformed

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(slots=True, kw_only=True)
class FileSet:
    """The documents of a set, their paths relative to its folder, and the reference files they name.

    ``references``: (document, file as it is written there) → where it is here.
    """

    documents: list[Document]
    references: dict[tuple[str, str], Path] = field(default_factory=dict)


def read_set(source: str) -> FileSet:
    """The set in a folder (every YAML and JSON file below it), in one file, or on standard input (``-``).

    ``InvalidConfiguration`` with all that cannot be read, and every reference file that is not there.
    """
    found = FileSet(documents=documents_of(source))
    problems: list[Problem] = []
    root = Path() if source == STDIN else Path(source)
    base = root if root.is_dir() else root.parent
    for document in found.documents:
        _look_up(found, document=document, base=base, problems=problems)
    if problems:
        raise InvalidConfiguration(problems)
    return found


def documents_of(source: str) -> list[Document]:
    """The documents of a set alone, whatever reference files they name; ``InvalidConfiguration`` as ``read_set``."""
    problems: list[Problem] = []
    documents: list[Document] = []
    for name, text in _texts(source, problems=problems):
        try:
            documents += read_documents(text, path=name)
        except InvalidConfiguration as error:
            problems += error.problems
    if problems:
        raise InvalidConfiguration(problems)
    return documents


def _texts(source: str, *, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    """(path relative to the set, text) of every file."""
    if source == STDIN:
        yield "(standard input)", sys.stdin.read(MAX_FILE_BYTES + 1)
        return
    root = Path(source)
    if not root.exists():
        raise Malformed(f"{source} does not exist: expected a folder, a file, or - for standard input")
    for path in _files(root):
        name = path.name if root.is_file() else path.relative_to(root).as_posix()
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise Malformed(f"the file is larger than {MAX_FILE_BYTES:,} bytes")
            yield name, path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError, Malformed) as error:
            problems.append(Problem(place=Place(file=name), message=f"the file cannot be read: {error}"))


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    found = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    if not found:
        raise Malformed(f"{root} holds no model file: expected one that ends in {', '.join(SUFFIXES)}")
    return found


def _look_up(found: FileSet, *, document: Document, base: Path, problems: list[Problem]) -> None:
    """Adds the digest to every reference that names a file, so that the server knows whether it has it."""
    folder = base / Path(document.path.partition("#")[0]).parent
    for place, reference in _references(document):
        name = reference["file"]
        path = folder / name
        try:
            digest = f"sha256:{digest_of(path)}"
        except (OSError, ValueError) as error:
            problems.append(Problem(place=place.at("file"), message=f"{name[:200]!r} cannot be read: {error}"))
            continue
        if reference.get("digest", digest) != digest:
            message = f"{name[:200]!r} has the digest {digest}, and {str(reference['digest'])[:80]} is expected here"
            problems.append(Problem(place=place.at("digest"), message=message))
        reference["digest"] = digest
        found.references[document.path, name] = path


def _references(document: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every reference that names a file, whatever else is wrong around it."""
    for model, fields in _entries(document.content, "models"):
        for version, shape in _entries(fields, "versions"):
            reference = shape.get("reference") if isinstance(shape, dict) else None
            if isinstance(reference, dict) and isinstance(reference.get("file"), str):
                place = Place(file=document.path, path="models").at(model).at("versions").at(version)
                yield place.at("reference"), reference


def _entries(value: Any, key: str) -> list[tuple[str, Any]]:
    below = value.get(key) if isinstance(value, dict) else None
    return list(below.items()) if isinstance(below, dict) else []
