"""A full disk and a slow one: 503 and ``Retry-After``, not ready with the reason, alive, bounded; then by itself on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.acking import Ledger
from tests.faults.cluster import Cluster, own, until
from tests.faults.load import Place, acks_again, clients, make_victim, resend_unknown, stored_ids, watched
from tests.faults.pair import MIB
from tests.faults.report import WHOLE, judge
from tests.faults.tracing import living, need_strace, traced
from tests.service import Service

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
FULL_SECONDS = 30.0 if WHOLE else 5.0
RECOVERY_SECONDS = 15.0  # the sum of Retry-After and one attempt
MOST_GROWTH = 64 * MIB
LEFT = 2 * MIB


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 20 MB."""
    disk = Path(tempfile.mkdtemp(prefix="driftline-disk-"))  # see ``own``
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        disk.rmdir()
        (pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip)(done.stderr.strip())
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
    disk.rmdir()


@pytest.fixture(params=("SQLite", "PostgreSQL"))
def small_place(request: pytest.FixtureRequest, small_disk: Path, tmp_path: Path) -> Place:
    """A database on the small disk: SQLite's whole data directory; PostgreSQL's tables, its log is elsewhere."""
    if request.param == "SQLite":
        return Place(database=request.param, data_dir=small_disk, url=None, cluster=None)
    cluster: Cluster = request.getfixturevalue("make_cluster")()
    tables = small_disk / "tables"
    tables.mkdir()
    own(tables)
    small_disk.chmod(0o711)
    cluster.sql(f"CREATE TABLESPACE small LOCATION '{tables}'", "CREATE DATABASE victim TABLESPACE small")
    return Place(database=request.param, data_dir=tmp_path, url=cluster.url("victim"), cluster=cluster)


def test_a_full_disk_is_503_until_there_is_room_and_nothing_acked_is_lost(small_place, small_disk, tmp_path):
    the_disk_is_full_for_a_while(small_place, small_disk, tmp_path)


@pytest.mark.whole
def test_without_knowing_a_full_disk_its_reason_is_not_said(small_place, small_disk, tmp_path):
    with pytest.raises(AssertionError, match="the reason was not said"):
        the_disk_is_full_for_a_while(small_place, small_disk, tmp_path, mutation="a_full_disk_is_unknown")


def the_disk_is_full_for_a_while(place: Place, disk: Path, logs: Path, *, mutation: str | None = None) -> None:
    service, ledger = place.service(mutation=mutation), Ledger()
    service.log = logs / "log"  # not on the disk that fills
    service.start()
    make_victim(service)
    ballast = disk / "ballast"
    ballast.write_bytes(b"\1" * (shutil.disk_usage(disk).free - LEFT))
    try:
        with watched(service) as seen, clients(service, ledger, seed=1):
            until(lambda: ledger.answers[503] > 20, within_seconds=120, what="a full disk")
            until(lambda: seen.readyz[503] > 0, within_seconds=20, what="not ready")
            resident, logged = seen.resident_bytes[-1], service.log.stat().st_size
            with pytest.raises(AssertionError):
                until(lambda: service.process.poll() is not None, within_seconds=FULL_SECONDS, what="it lives on")
            grown, said = seen.resident_bytes[-1] - resident, service.log.stat().st_size - logged
            ballast.unlink()
            recovery = acks_again(ledger, within_seconds=RECOVERY_SECONDS)
            ready = seen.readyz[200]
            until(lambda: seen.readyz[200] > ready, within_seconds=RECOVERY_SECONDS, what="ready again")
        assert set(ledger.answers) <= {200, 409, 503}
        assert set(seen.livez) == {200}
        assert any("database is full: free some space" in reason for reason in seen.reasons), "the reason was not said"
        assert grown < MOST_GROWTH, f"{grown / MIB:.0f} MiB"
        assert said < 4_000 * FULL_SECONDS, service.log.read_text()[-3000:]
        assert "Traceback" not in service.log.read_text()
        resend_unknown(service, ledger)
        judge("full disk", database=place.database, rounds=1, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip
    finally:
        service.stop(within_seconds=40)


@pytest.mark.whole
def test_a_start_on_a_read_only_file_system_is_refused_in_words_and_nothing_is_lost(small_disk, tmp_path):
    service, ledger = Service(small_disk), Ledger()
    service.log = tmp_path / "log"  # not on the disk that becomes read-only
    service.start()
    make_victim(service)
    with clients(service, ledger, seed=1):
        until(lambda: ledger.answers[200] > 50, within_seconds=60, what="load")
        service.kill()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(
        AssertionError, match=r"the server ended with [1-9]\d*:[^$]*Read-only file system\): make it writable"
    ):
        service.start()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    recovery = service.start()
    try:
        resend_unknown(service, ledger)
        judge("killed, then a read-only file system", database="SQLite", rounds=1, sent=ledger.sent,
              acked=ledger.acked, stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip
    finally:
        service.stop(within_seconds=40)


@pytest.mark.whole
def test_a_slow_disk_fills_the_budget_and_no_more(place):
    the_disk_is_slow_for_a_while(place)


@pytest.mark.whole
@pytest.mark.parametrize("place", ["SQLite"], indirect=True)
def test_without_a_bound_of_what_is_in_flight_nobody_is_sent_away(place):
    with pytest.raises(AssertionError, match="a full budget"):
        the_disk_is_slow_for_a_while(place, mutation="the_budget_has_no_bound")


def who_flushes(service: Service, place: Place) -> list[int]:
    """The processes that bring to disk what the server commits: its own, or those of its sessions."""
    if place.cluster is None:
        return [service.process.pid]
    found = place.cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'driftline'")
    return living([int(str(row[0])) for row in found])


def the_disk_is_slow_for_a_while(place: Place, *, mutation: str | None = None) -> None:
    need_strace()
    service, ledger = place.service(mutation=mutation, DRIFTLINE_MAX_INFLIGHT_BYTES="32KiB"), Ledger()
    service.start()
    make_victim(service)
    try:
        with watched(service) as seen, clients(service, ledger, seed=1, count=16):
            until(lambda: ledger.answers[200] > 50, within_seconds=60, what="load")
            resident, quick = seen.resident_bytes[-1], ledger.answers[503]
            slow = "fsync,fdatasync:delay_enter=1500000"
            with traced(
                *who_flushes(service, place), calls="fsync,fdatasync", log=place.data_dir / "trace", inject=slow
            ):
                until(lambda: ledger.answers[503] > quick + 20, within_seconds=60, what="a full budget")
                recovery = acks_again(ledger, within_seconds=RECOVERY_SECONDS)
            grown = max(seen.resident_bytes) - resident
        assert re.search(r"DELAYED|INJECTED", (place.data_dir / "trace").read_text())
        assert set(ledger.answers) <= {200, 409, 503}
        assert set(seen.livez) == {200}
        assert grown < MOST_GROWTH, f"{grown / MIB:.0f} MiB"
        resend_unknown(service, ledger)
        judge("slow disk", database=place.database, rounds=1, sent=ledger.sent, acked=ledger.acked,
              stored=stored_ids(service.url), recovery_seconds=recovery)  # fmt: skip
    finally:
        service.stop(within_seconds=40)
