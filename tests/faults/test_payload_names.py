"""Names that are none, on every route that takes one, over real connections to both databases."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from monitor.api.access import ROLES
from tests.faults.pair import API, JSON

NAMES = [
    "../../etc", "a/b", "CON", ".", "..", "", "n" * 10_000, "'; DROP TABLE model; --", "{{7*7}}", "a\u202eb", "%00",
]  # fmt: skip
ROUTES = sorted(key for key in ROLES if "{" in key)
PLACE = re.compile(r"\{[a-z]+\}")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12] or "empty")
def test_a_name_that_cannot_be_is_refused_in_words_on_every_route(pair, name):
    # quoted, dots too: a client that tidies the path up must not take the fault out of it
    sent = name if name == "%00" else quote(name, safe="").replace(".", "%2E")
    for key in ROUTES:
        method, _, path = key.partition(" ")
        answer = pair.ask(method, PLACE.sub(lambda _: sent, path), content=b"{}", headers={"Content-Type": JSON})
        if name == "CON" and answer.status < 300:  # a name like any other: nothing here is a file
            assert pair.ask("DELETE", f"{API}/models/CON").status in (204, 404)
            continue
        assert answer.status in (400, 404, 405, 415, 422, 501), (key, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", key
        assert answer.json["status"] == answer.status
        assert len(answer.text) < 4_000
    assert pair.ask("GET", f"{API}/models/{pair.model}").status == 200
