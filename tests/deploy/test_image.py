"""The image: built from the Dockerfile and started, which takes minutes; and what can be said of it without."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKS = [
    "built from",
    "/readyz answers",
    "runs as uid 10001",
    "the root file system is read-only",
    "no compiler",
    "the first start made an admin token",
    "took a record and exports it on /metrics",
    "SIGTERM ends it with 0",
]


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(3600)
def test_the_image_is_built_and_serves_without_privileges_on_a_read_only_root():
    if os.environ.get("TEST_IMAGE") != "1":
        pytest.skip("building the image takes minutes: TEST_IMAGE=1 asks for it")
    if shutil.which("buildah") is None or os.geteuid() != 0:
        pytest.skip("building the image without Docker needs buildah (Debian: apt-get install buildah) and root")
    done = subprocess.run(["sh", "tools/image"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    held = [line.removeprefix("ok: ") for line in done.stdout.splitlines() if line.startswith("ok: ")]
    assert [found[: len(expected)] for found, expected in zip(held, CHECKS, strict=True)] == CHECKS


def test_the_image_has_what_the_package_is_built_from_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M):
        copied |= set(line.split()[:-1])
    assert (ignored[1], allowed) == ("*", copied)
    assert {name for name in copied if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("instruction", ["ENTRYPOINT", "CMD", "USER", "HEALTHCHECK", "STOPSIGNAL", "LABEL", "VOLUME"])
def test_the_image_says_how_it_is_run(instruction):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    final = text[text.rindex("\nFROM ") :]
    lines = re.findall(rf"^{instruction} (.+)$", final, flags=re.M)
    assert len(lines) == 1
    if instruction in ("ENTRYPOINT", "CMD"):
        assert lines[0].startswith("["), "the shell form would take the signals"
    if instruction == "USER":
        assert lines == ["10001:10001"]


@pytest.mark.parametrize("script", ["tools/image", "tools/helm"])
def test_the_scripts_are_shell_that_parses(script):
    assert subprocess.run(["sh", "-n", script], cwd=ROOT, check=False).returncode == 0
