"""The runbooks as the server shows them."""

from __future__ import annotations

import re

from monitor.api.runbooks import render_runbook, runbook_names
from monitor.app import create_app
from monitor.settings import Settings
from tests.api.running import client_of


def test_every_runbook_is_a_page_that_loads_nothing_and_whose_links_lead_to_pages(embedded):
    names = runbook_names()
    assert len(names) >= 19
    for name in names:
        page = embedded.get(f"/runbooks/{name}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f"<h1>{name}</h1>" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        linked = set(re.findall(r'href="/runbooks/(\w+)"', page.text))
        assert linked <= set(names)
        assert set(re.findall(r'href="([^"]*)"', page.text)) == {"/runbooks", *(f"/runbooks/{one}" for one in linked)}


def test_the_index_leads_to_every_runbook(embedded):
    page = embedded.get("/runbooks")
    assert set(re.findall(r'href="/runbooks/(\w+)"', page.text)) == set(runbook_names())


def test_an_alert_without_a_runbook_is_a_404_with_the_nearest(embedded):
    answer = embedded.get("/runbooks/DriftlineModelStael")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "DriftlineModelStale" in answer.json()["detail"]
    assert embedded.get("/runbooks/README").status_code == 404
    assert embedded.get("/runbooks/..%2Fpy.typed").status_code == 404


def test_a_page_cannot_bring_html_of_its_own():
    assert render_runbook("<script>x</script>", root="") == "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"


def test_the_public_address_is_a_label_of_the_build_without_its_password(tmp_path):
    settings = Settings(data_dir=tmp_path, public_url="https://ops:secret@drift.example.org/ml")
    with client_of(create_app(settings, jobs=False)) as client:
        page = client.get("/metrics").text
    assert re.findall(r'driftline_build_info\{.*public_url="([^"]*)"', page) == ["https://drift.example.org/ml"]
    assert "secret" not in page


def test_without_a_public_address_the_label_is_empty(embedded):
    assert re.findall(r'driftline_build_info\{.*public_url="([^"]*)"', embedded.get("/metrics").text) == [""]
