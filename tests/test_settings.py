from __future__ import annotations

from pathlib import Path

import pytest

from monitor.model.errors import ConfigurationError
from monitor.model.profile_ages import ProfileAges
from monitor.model.time import DAY_US
from monitor.settings import DEFAULTS, TABLE, Settings, load_settings, settings_page

DOCS = Path(__file__).parent.parent / "docs" / "settings.md"
CONTRACT = {
    "CONFIG", "DATABASE_URL", "DATA_DIR", "HOST", "PORT", "PUBLIC_URL", "ROOT_PATH", "LOG_LEVEL", "LOG_FORMAT",
    "ALLOW_ANONYMOUS", "MAX_BODY_BYTES", "MAX_BODY_SECONDS", "MAX_REFERENCE_BYTES", "MAX_DECODED_BYTES",
    "MAX_INFLIGHT_BYTES", "MAX_RECORDS", "MAX_COLUMNS", "MAX_SEGMENTS", "RETENTION_ROWS", "RETENTION_UNLABELLED",
    "RETENTION_PROFILES",
    "RETENTION_RESULTS", "MAX_SERIES", "EXPORT_COLUMNS", "AUTO_CREATE", "URL", "TOKEN",
}  # fmt: skip
ACCEPTED = {  # a text that is not the default → what it means
    "config": ("/etc/driftline.yaml", Path("/etc/driftline.yaml")),
    "data_dir": ("/srv/driftline", Path("/srv/driftline")),
    "database_url": ("postgresql://u:p@db/x", "postgresql://u:p@db/x"),
    "host": ("::1", "::1"),
    "port": ("9000", 9000),
    "public_url": ("https://drift.example/", "https://drift.example"),
    "root_path": ("/driftline/", "/driftline"),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", "json"),
    "allow_anonymous": ("true", True),
    "max_body_bytes": ("1MiB", 1024**2),
    "max_body_seconds": ("20", 20),
    "max_reference_bytes": ("3GiB", 3 * 1024**3),
    "max_decoded_bytes": ("4096", 4096),
    "max_inflight_bytes": ("64 KiB", 65536),
    "max_records": ("10_000", 10_000),
    "max_columns": ("10", 10),
    "max_segments": ("200", 200),
    "retention_rows": ("12h", 12 * 3_600 * 10**6),
    "retention_unlabelled": ("90d", 90 * 86_400 * 10**6),
    "retention_results": ("1000d", 1_000 * 86_400 * 10**6),
    "max_series": ("1", 1),
    "retention_profiles": ("hours 7d, then days", ProfileAges(hours_us=7 * DAY_US, days_us=None)),
    "export_columns": ("top:5", "top:5"),
    "auto_create": ("yes", True),
    "url": ("http://h:1/", "http://h:1"),
    "token": ("t0", "t0"),
}
REFUSED = {
    "config": "",
    "data_dir": "", "database_url": "mysql://x", "host": "", "port": "70000", "public_url": "drift.example",
    "root_path": "driftline", "log_level": "loud", "log_format": "xml", "allow_anonymous": "maybe",
    "max_body_bytes": "0", "max_body_seconds": "0",
    "max_reference_bytes": "2 GB", "max_decoded_bytes": "-1", "max_inflight_bytes": "much",
    "max_records": "0", "max_columns": "1.5", "max_segments": "1001", "retention_rows": "a month",
    "retention_unlabelled": "", "retention_results": "-1d", "max_series": "",
    "retention_profiles": "hours 30d, then days 1d, then weeks",
    "export_columns": "top:0", "auto_create": "",
    "url": "ftp://x", "token": "a\nb",
}  # fmt: skip


def variable(name):
    return f"DRIFTLINE_{name.upper()}"


def test_the_table_holds_exactly_the_settings_of_the_contract():
    assert {name.upper() for name in TABLE} == CONTRACT


def test_without_anything_set_every_setting_has_its_default():
    loaded = load_settings({"PATH": "/bin"})
    assert {name: getattr(loaded, name) for name in TABLE} == DEFAULTS


def test_the_embedded_database_is_in_the_data_directory_unless_told():
    assert load_settings({"DRIFTLINE_DATA_DIR": "/srv"}).store_url == "sqlite:////srv/driftline.db"
    assert load_settings({"DRIFTLINE_DATABASE_URL": "postgresql://h/x"}).store_url == "postgresql://h/x"


def test_accepted_and_refused_cover_every_setting_of_this_release():
    assert set(ACCEPTED) == set(REFUSED) == set(TABLE)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_setting_is_read_from_the_environment_from_a_file_and_from_an_option(name, tmp_path):
    text, meant = ACCEPTED[name]
    assert meant != DEFAULTS[name]
    file = tmp_path / "value"
    file.write_text(text + "\n")
    ways = [
        load_settings({variable(name): text}),
        load_settings({variable(name) + "_FILE": str(file)}),
        load_settings({}, options={name: text}),
    ]
    assert [getattr(settings, name) for settings in ways] == [meant] * 3


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_does_not_parse_stops_the_start_with_name_value_and_expectation(name):
    with pytest.raises(ConfigurationError) as refused:
        load_settings({variable(name): REFUSED[name]})
    assert variable(name) in refused.value.detail
    assert TABLE[name].expects in refused.value.detail
    if not TABLE[name].secret:
        assert repr(REFUSED[name]) in refused.value.detail


def test_an_option_wins_over_the_environment():
    assert load_settings({"DRIFTLINE_PORT": "1"}, options={"port": "2", "host": None}).port == 2


def test_an_unknown_name_stops_the_start_with_the_nearest_known_one():
    with pytest.raises(ConfigurationError, match=r"DRIFTLINE_MAX_RECORD is not.*did you mean 'DRIFTLINE_MAX_RECORDS'"):
        load_settings({"DRIFTLINE_MAX_RECORD": "5"})


def test_a_value_and_a_file_for_it_contradict_each_other(tmp_path):
    with pytest.raises(ConfigurationError, match="both set"):
        load_settings({"DRIFTLINE_TOKEN": "a", "DRIFTLINE_TOKEN_FILE": str(tmp_path)})


def test_a_file_that_cannot_be_read_stops_the_start_with_its_path(tmp_path):
    with pytest.raises(ConfigurationError, match=r"DRIFTLINE_TOKEN_FILE is '/nowhere'"):
        load_settings({"DRIFTLINE_TOKEN_FILE": "/nowhere"})


def test_a_secret_is_never_shown():
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"DRIFTLINE_DATABASE_URL": "postgres://u:hunter2@h/x"})
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    "name",
    [
        "DRIFTLINE_SERVICE_HOST", "DRIFTLINE_SERVICE_PORT", "DRIFTLINE_SERVICE_PORT_HTTP", "DRIFTLINE_PORT",
        "DRIFTLINE_PORT_8000_TCP", "DRIFTLINE_PORT_8000_TCP_PROTO", "DRIFTLINE_PORT_8000_TCP_PORT",
        "DRIFTLINE_PORT_8000_TCP_ADDR", "DRIFTLINE_METRICS_SERVICE_HOST", "DRIFTLINE_METRICS_PORT",
        "DRIFTLINE_METRICS_PORT_8001_TCP_ADDR",
    ],
)  # fmt: skip
def test_what_kubernetes_injects_for_a_service_of_our_name_is_ignored(name):
    assert load_settings({name: "tcp://10.0.0.1:8000"}) == Settings()


def test_a_port_that_is_no_kubernetes_address_is_ours():
    assert load_settings({"DRIFTLINE_PORT": "8080"}).port == 8080
    with pytest.raises(ConfigurationError):
        load_settings({"DRIFTLINE_METRICS_PORT": "8001"})


def test_the_page_of_settings_is_made_from_the_table():
    assert DOCS.read_text(encoding="utf-8") == settings_page()
    for name in TABLE:
        assert f"## `{variable(name)}`" in settings_page()
