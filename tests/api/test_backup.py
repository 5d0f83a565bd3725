"""``POST /backup``, and the answers of a server on what was restored from it."""

from __future__ import annotations

import hashlib

import pytest

from monitor.app import create_app
from monitor.settings import Settings
from monitor.store.backup import check_file, restore_backup
from tests.api.conftest import VERSION
from tests.api.running import client_of

ASKED = (
    "/api/v1/models", "/api/v1/models/churn", VERSION, f"{VERSION}/references", f"{VERSION}/reference",
    f"{VERSION}/results?limit=10000", f"{VERSION}/windows", f"{VERSION}/records?limit=10000", f"{VERSION}/status",
    f"{VERSION}/profile?column=age", "/api/v1/alerts", "/api/v1/alerts/al_1",
)  # fmt: skip


def test_a_server_on_the_restored_store_gives_the_same_answers(alarmed, clock, empty_url, tmp_path):
    sent = alarmed.post("/api/v1/backup")
    assert (sent.status_code, sent.headers["content-type"]) == (200, "application/vnd.driftline.backup")
    assert sent.headers["content-disposition"].startswith('attachment; filename="driftline-20260302T')
    path = tmp_path / "x.backup"
    path.write_bytes(sent.content)
    assert check_file(path)[1] == f"sha256:{hashlib.sha256(sent.content[:-40]).hexdigest()}"
    before = {asked: alarmed.get(asked) for asked in ASKED}
    place = tmp_path / "elsewhere"
    place.mkdir()
    restore_backup(path, url=empty_url, data_dir=place)
    second = create_app(Settings(database_url=empty_url, data_dir=place), jobs=False, now_us=clock)
    with client_of(second) as client:
        for asked, answer in before.items():
            assert answer.status_code == 200, asked
            assert client.get(asked).text == answer.text, asked


def test_a_backup_takes_no_parameter_and_least_of_all_a_path(client):
    refused = client.post("/api/v1/backup", params={"path": "/etc/passwd"})
    assert (refused.status_code, refused.json()["code"]) == (422, "parameter")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_backup_is_posted(client, method):
    assert client.request(method, "/api/v1/backup").status_code == 405
