"""400 models from one folder: applied, applied again, one threshold edited; against the same by hand.

``python -m benchmarks.apply`` writes a folder of 400 model files, each with a version, columns and a small reference,
and applies it by the command line to a real server. By hand another server gets the same models, versions and
references, one request after the other.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.serving import driftline

MODELS, ROWS = 400, 200
BUDGET_SECONDS = 20.0
_TEMPLATES = """\
driftline: 1
name: benchmark
templates:
  hourly:
    window: 1h
    lateness: 10m
    false_alarms: "1 per month"
    checks:
      - {name: drift, kind: drift}
      - {name: missing, kind: quality, metric: missing}
      - {name: volume, kind: volume}
"""
_MODEL = """\
driftline: 1
models:
  model-%(n)03d:
    extends: [hourly]
    team: team-%(team)d
    task: binary_classification
    positive: "1"
    checks:
      - {name: drift, threshold: 0.2}
    versions:
      "1":
        reference: {file: ref/model-%(n)03d.csv}
        columns: {score: {role: score}, label: {role: label}, plan: {type: categorical}}
"""


def write_folder(folder: Path) -> None:
    """400 model files, each with a reference of 200 rows and five columns."""
    dice = random.Random(7)
    (folder / "ref").mkdir(parents=True)
    (folder / "templates.yaml").write_text(_TEMPLATES)
    for n in range(MODELS):
        (folder / f"model-{n:03}.yaml").write_text(_MODEL % {"n": n, "team": n % 12})
        lines = [f"{dice.gauss(n, 1):.4f},{dice.randint(18, 90)},{dice.choice('abc')},{dice.random():.4f},"
                 f"{dice.randint(0, 1)}" for _ in range(ROWS)]  # fmt: skip
        (folder / "ref" / f"model-{n:03}.csv").write_text("amount,age,plan,score,label\n" + "\n".join(lines) + "\n")


def apply(url: str, folder: Path, *options: str) -> tuple[float, str]:
    """Seconds of one ``driftline apply``, and the last line it printed."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "monitor.cli", "apply", "-f", str(folder), "--url", url, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 2):
        raise SystemExit(done.stderr)
    return seconds, done.stdout.splitlines()[-1]


def by_hand(url: str, folder: Path) -> tuple[float, float]:
    """Seconds of 400 puts of models, and of those with their versions and references."""
    models = references = 0.0
    with httpx.Client(base_url=f"{url}/api/v1/models/", timeout=60) as client:
        for n in range(MODELS):
            name = f"model-{n:03}"
            began = time.perf_counter()
            _done(client.put(name, json={"task": "binary_classification", "window": "1h", "team": "team"}))
            models += time.perf_counter() - began
            version = f"{name}/versions/1"
            _done(client.put(version, json={"positive": "1"}))
            body = (folder / "ref" / f"{name}.csv").read_bytes()
            roles = {"score": "score", "label": "label"}
            headers = {"Content-Type": "text/csv"}
            _done(client.put(f"{version}/reference", params=roles, content=body, headers=headers))
            references += time.perf_counter() - began
    return models, references


def _done(response: httpx.Response) -> None:
    if not response.is_success:
        raise SystemExit(response.text)


def main() -> None:
    """Apply, apply again, edit, apply; and by hand."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "models")
        write_folder(folder)
        Path(scratch, "server").mkdir()
        with driftline(Path(scratch, "server"), arguments=("--no-jobs",), pinned=False) as service:
            first, said = apply(service.url, folder)
            print(f"first apply {first:.1f} s ({said})")
            again, said = apply(service.url, folder)
            print(f"again {again:.1f} s ({said})")
            edited = folder / "model-007.yaml"
            edited.write_text(edited.read_text().replace("threshold: 0.2", "threshold: 0.25"))
            edit, said = apply(service.url, folder, "--dry-run")
            print(f"one threshold edited, dry run {edit:.1f} s ({said})")
        Path(scratch, "other").mkdir()
        with driftline(Path(scratch, "other"), arguments=("--no-jobs",), pinned=False) as service:
            models, references = by_hand(service.url, folder)
    print(f"by hand: {MODELS} puts of models {models:.1f} s; with versions and references {references:.1f} s")
    print(f"first apply takes {first / references:.2f} of what the same takes by hand")
    print(f"budget {BUDGET_SECONDS:.0f} s: {'met' if first <= BUDGET_SECONDS else 'MISSED'}")


if __name__ == "__main__":
    main()
