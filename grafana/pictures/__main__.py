"""Makes ``docs/images/dashboard-<name>.png``: history, a Prometheus on it, every dashboard's queries, a browser."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from grafana.pictures import history
from grafana.pictures.asking import Prometheus
from grafana.pictures.page import WIDTH, html
from grafana.pictures.variables import built_in, choices

ROOT = Path(__file__).parents[2]
PROGRAMS = ("prometheus", "promtool", "chromium")
SHOWN = {"fleet": {}, "model": {"model": "flights"}, "column": {"model": "flights", "column": "temp"}, "service": {}}
PIXELS = 1_700_000  # of a picture: 100 to 310 kB
STEP_SECONDS = 3 * 3600.0
SCRAPE_SECONDS = history.SCRAPE_HOURS * 3600.0


@contextmanager
def _prometheus(blocks: Path) -> Iterator[str]:
    """The address of a Prometheus on the blocks; it looks back as far as the scrapes are apart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = blocks / "prometheus.yml"
    config.write_text("{}\n")
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={blocks}", f"--web.listen-address={address}",
        "--storage.tsdb.retention.time=10y", "--query.lookback-delta=185m", "--log.level=error",
    ]  # fmt: skip
    process = subprocess.Popen(command)  # noqa: S603 -- fixed arguments
    try:
        for _ in range(300):
            try:
                if httpx.get(f"http://{address}/-/ready", timeout=1).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _photograph(page: str, *, height: int, picture: Path) -> None:
    scale = min(0.75, (PIXELS / (WIDTH * height)) ** 0.5)
    with tempfile.TemporaryDirectory(prefix="driftline-page-") as directory:
        file = Path(directory) / "page.html"
        file.write_text(page, encoding="utf-8")
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={directory}/profile", f"--window-size={WIDTH},{height}",
            f"--force-device-scale-factor={scale:.3f}",
            "--virtual-time-budget=10000", f"--screenshot={picture}", file.as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- fixed arguments


def main() -> int:
    """The exit code: 1 where a program is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"not installed: {', '.join(missing)} (Debian: apt-get install prometheus chromium)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="driftline-blocks-") as directory:
        blocks = Path(directory)
        start, end = history.make(blocks)
        with _prometheus(blocks) as url:
            prometheus = Prometheus(url=url, start=start, end=end, step=STEP_SECONDS)
            for name, wanted in SHOWN.items():
                board = json.loads((ROOT / f"grafana/dashboards/{name}.json").read_text(encoding="utf-8"))
                values = choices(board, prometheus=prometheus, wanted=wanted)
                values |= built_in(prometheus, scrape_seconds=SCRAPE_SECONDS)
                page, height = html(board, prometheus=prometheus, values=values)
                _photograph(page, height=height, picture=ROOT / f"docs/images/dashboard-{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
