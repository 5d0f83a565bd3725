"""The table of settings: each field of ``Settings`` is one row, read by the environment, the command line and the docs.

A row says how its value is parsed, what is expected and what it is for. ``DRIFTLINE_X`` sets it, ``DRIFTLINE_X_FILE``
names a file that holds it, ``--x`` on the command line wins over both. What cannot be understood stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from monitor.model.errors import ConfigurationError, InvalidInput
from monitor.model.names import nearest
from monitor.model.profile_ages import ProfileAges, parse_profile_ages
from monitor.model.time import DAY_US, format_duration, parse_duration

PREFIX = "DRIFTLINE_"
MEBIBYTE = 1024**2
GIBIBYTE = 1024**3

# What Kubernetes injects for a Service whose name begins with "driftline":
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_INJECTED = re.compile(
    r"DRIFTLINE_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_INJECTED_URL = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row: how the text is read, what is expected, what it is for."""

    parse: Callable[[str], Any]
    expects: str
    help: str
    scope: str = "server"  # "server", or "client" for the commands that call a server
    secret: bool = False


def _row(parse: Callable[[str], Any], expects: str, help: str, **more: Any) -> dict[str, Setting]:
    return {"setting": Setting(parse=parse, expects=expects, help=help, **more)}


def _text(raw: str) -> str:
    if not raw or any(ord(c) < 32 for c in raw):
        raise ValueError
    return raw


def _path(raw: str) -> Path:
    return Path(_text(raw))


def _boolean(raw: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[raw.lower()]


def _whole(*, least: int, most: int = 2**62) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        value = int(raw.replace("_", ""))
        if not least <= value <= most:
            raise ValueError
        return value

    return parse


def _bytes(raw: str) -> int:
    match = re.fullmatch(r"(\d+)\s*(B|KiB|MiB|GiB)?", raw)
    if match is None or int(match[1]) == 0:
        raise ValueError
    return int(match[1]) * {None: 1, "B": 1, "KiB": 1024, "MiB": MEBIBYTE, "GiB": GIBIBYTE}[match[2]]


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw.lower() not in choices:
            raise ValueError
        return raw.lower()

    return parse


def _web_address(raw: str) -> str:
    parts = urlsplit(_text(raw))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError
    return raw.rstrip("/")


def _root_path(raw: str) -> str:
    if raw and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", raw):
        raise ValueError
    return raw.rstrip("/")


def _database(raw: str) -> str:
    if not re.match(r"(sqlite:///|postgresql(\+psycopg)?://)", _text(raw)):
        raise ValueError
    return raw


def _export_columns(raw: str) -> str:
    if not re.fullmatch(r"all|failing|top:[1-9]\d{0,5}", raw):
        raise ValueError
    return raw


def _duration(raw: str) -> int:
    return parse_duration(raw)


_SIZE = "a number of bytes, such as 8388608 or 8MiB"
_LASTS = "a duration such as 12h or 30d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process, parsed; each field is named as in ``DRIFTLINE_<NAME>``."""

    config: Path | None = field(
        default=None, metadata=_row(_path, "a path", "the administrator's server file (YAML): where tokens are listed")
    )
    data_dir: Path = field(
        default=Path("driftline-data"),
        metadata=_row(_path, "a path", "where the embedded database and uploads are kept"),
    )
    database_url: str | None = field(
        default=None,
        metadata=_row(
            _database,
            "sqlite:///path or postgresql://user:password@host/name",
            "the database; `sqlite:///<data dir>/driftline.db` unless told",
            secret=True,
        ),
    )
    host: str = field(
        default="127.0.0.1", metadata=_row(_text, "an address or a host name", "the address to listen on")
    )
    port: int = field(
        default=8000,
        metadata=_row(_whole(least=0, most=65535), "a port, 0 to 65535 (0: any free one)", "the port to listen on"),
    )
    public_url: str | None = field(
        default=None,
        metadata=_row(
            _web_address,
            "an http or https address",
            "where people reach this server: its host is accepted, and links in alerts begin with it",
        ),
    )
    root_path: str = field(
        default="", metadata=_row(_root_path, "a path such as /driftline", "the path prefix a proxy in front strips")
    )
    log_level: str = field(
        default="info",
        metadata=_row(
            _one_of("debug", "info", "warning", "error"),
            "debug, info, warning or error",
            "the least severe message to log",
        ),
    )
    log_format: str = field(
        default="text", metadata=_row(_one_of("text", "json"), "text or json", "how a log line looks")
    )
    allow_anonymous: bool = field(
        default=False,
        metadata=_row(_boolean, "true or false", "start beyond loopback without a token (put your own proxy in front)"),
    )
    max_body_bytes: int = field(default=8 * MEBIBYTE, metadata=_row(_bytes, _SIZE, "the largest request body as sent"))
    max_reference_bytes: int = field(default=2 * GIBIBYTE, metadata=_row(_bytes, _SIZE, "the largest reference upload"))
    max_body_seconds: int = field(
        default=60,
        metadata=_row(
            _whole(least=1, most=3_600),
            "a whole number from 1 to 3600",
            "how long a request body may take to arrive, a reference's besides a second for each 64 KiB of it; "
            "beyond it: 408",
        ),
    )
    max_decoded_bytes: int = field(
        default=64 * MEBIBYTE, metadata=_row(_bytes, _SIZE, "the largest request body after decompression")
    )
    max_inflight_bytes: int = field(
        default=128 * MEBIBYTE, metadata=_row(_bytes, _SIZE, "bytes of requests in flight at once; beyond it: 503")
    )
    max_records: int = field(
        default=50_000, metadata=_row(_whole(least=1), "a whole number from 1", "the most records in one request")
    )
    max_columns: int = field(
        default=2_000, metadata=_row(_whole(least=1), "a whole number from 1", "the most columns of one version")
    )
    max_segments: int = field(
        default=100,
        metadata=_row(_whole(least=1, most=1_000), "a whole number from 1 to 1000", "the most segments of one version"),
    )
    retention_rows: int = field(
        default=30 * DAY_US,
        metadata=_row(_duration, _LASTS, "how long rows are kept, from the newest receipt in their window"),
    )
    retention_unlabelled: int = field(
        default=180 * DAY_US,
        metadata=_row(_duration, _LASTS, "how long a record, or a label, waits for the other"),
    )
    retention_profiles: ProfileAges = field(
        default=ProfileAges(),
        metadata=_row(
            parse_profile_ages, "'hours', 'hours <age>, then days' or 'hours <age>, then days <age>, then weeks'",
            "how long profiles stay before they are merged into longer spans",
        ),
    )  # fmt: skip
    retention_results: int = field(
        default=400 * DAY_US, metadata=_row(_duration, _LASTS, "how long results and ended alerts are kept")
    )
    max_series: int = field(
        default=50_000, metadata=_row(_whole(least=1), "a whole number from 1", "the most model series on /metrics")
    )
    export_columns: str = field(
        default="top:20",
        metadata=_row(
            _export_columns, "all, failing or top:<n>", "which columns of a version have series of their own"
        ),
    )
    auto_create: bool = field(
        default=False,
        metadata=_row(_boolean, "true or false", "ingest makes models and versions that do not exist (task none)"),
    )
    url: str = field(
        default="http://127.0.0.1:8000",
        metadata=_row(_web_address, "an http or https address", "the server that client commands call", scope="client"),
    )
    token: str | None = field(
        default=None,
        metadata=_row(_text, "a token", "the bearer token that client commands send", scope="client", secret=True),
    )

    @property
    def store_url(self) -> str:
        """The database address: as set, else the embedded one in the data directory."""
        return self.database_url or f"sqlite:///{self.data_dir / 'driftline.db'}"

    @property
    def sqlite_path(self) -> Path | None:
        """The file of the embedded database; None where it is PostgreSQL."""
        url = self.store_url
        return Path(url.removeprefix("sqlite:///")).expanduser() if url.startswith("sqlite") else None

    @property
    def upload_dir(self) -> Path:
        """Where references are kept while they are read."""
        return self.data_dir / "uploads"

    @property
    def backup_dir(self) -> Path:
        """Where copies of the embedded database are kept while they are sent."""
        return self.data_dir / "backups"


TABLE: dict[str, Setting] = {f.name: cast(Setting, f.metadata["setting"]) for f in fields(Settings)}
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(Settings)}


def load_settings(environment: Mapping[str, str], *, options: Mapping[str, str | None] | None = None) -> Settings:
    """The settings of this process: options win over the environment, which wins over the defaults.

    Raises ``ConfigurationError`` for the first name nobody knows or value nobody can read.

    >>> load_settings({"DRIFTLINE_PORT": "9000"}, options={"host": "127.0.0.2"}).port
    9000
    """
    values: dict[str, Any] = {}
    for name, shown, raw in _from_environment(environment):
        values[name] = parse_value(name, raw, shown=shown)
    for name, given in (options or {}).items():
        if given is not None:
            values[name] = parse_value(name, given, shown=f"--{name.replace('_', '-')}")
    return Settings(**values)


def parse_value(name: str, raw: str, *, shown: str) -> Any:
    """The value of one setting; ``ConfigurationError`` says name, value and expectation."""
    setting = TABLE[name]
    try:
        return setting.parse(raw)
    except (ValueError, KeyError, InvalidInput):
        value = "(a secret, not shown)" if setting.secret else repr(raw[:80])
        raise ConfigurationError(f"{shown} is {value}: expected {setting.expects}") from None


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(setting, variable, raw text) of every variable that is ours, in a stable order."""
    seen: dict[str, str] = {}
    for variable in sorted(v for v in environment if v.startswith(PREFIX)):
        raw = environment[variable]
        if _injected(variable, raw):
            continue
        name, from_file = _setting_of(variable)
        if name in seen:
            raise ConfigurationError(f"{variable} and {seen[name]} are both set: expected one of them")
        seen[name] = variable
        yield name, variable, _read_secret(variable, raw) if from_file else raw


def _injected(variable: str, raw: str) -> bool:
    if _INJECTED.fullmatch(variable) is not None:
        return True
    return variable.endswith("_PORT") and _INJECTED_URL.match(raw) is not None


def _setting_of(variable: str) -> tuple[str, bool]:
    name = variable.removeprefix(PREFIX).lower()
    if name in TABLE:
        return name, False
    if name.removesuffix("_file") in TABLE:
        return name.removesuffix("_file"), True
    known = [n.upper() for n in TABLE]
    hint = nearest(name.upper(), known).replace("'", f"'{PREFIX}", 1)  # compared without what all have in common
    raise ConfigurationError(
        f"{variable} is not a setting{hint}: expected one of {', '.join(PREFIX + n for n in known)}; "
        "correct the name or remove it"
    )


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(
            f"{variable} is {path[:200]!r}: expected a readable text file that holds the value ({error})"
        ) from None


def settings_page() -> str:
    """``docs/settings.md``: one heading a setting, made from the table."""
    lines = [_INTRODUCTION]
    for name, setting in TABLE.items():
        option = "`--url` and `--token` of the client commands" if setting.scope == "client" else f"`--{_dashed(name)}`"
        default = default_text(name)
        lines += [
            f"## `{PREFIX}{name.upper()}`",
            f"{setting.help[0].upper()}{setting.help[1:]}. Expected: {setting.expects}. "
            f"Default: {f'`{default}`' if default else 'none'}. Option: {option}.",
            "",
        ]
    return "\n".join(lines)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def default_text(name: str) -> str:
    """The default as somebody would write it; empty where there is none.

    >>> default_text("max_body_bytes"), default_text("retention_rows"), default_text("auto_create")
    ('8MiB', '30d', 'false')
    """
    default = DEFAULTS[name]
    if default is None:
        return ""
    if name in ("retention_rows", "retention_unlabelled", "retention_results"):
        return format_duration(default)
    if name.endswith("_bytes"):
        return f"{default // GIBIBYTE}GiB" if default % GIBIBYTE == 0 else f"{default // MEBIBYTE}MiB"
    return str(default).lower() if isinstance(default, bool) else str(default)


_INTRODUCTION = """\
# Settings

Each is an environment variable; the server's are options of `driftline serve` and `driftline worker` too, and an
option wins. `DRIFTLINE_X_FILE` names a file that holds the value of `DRIFTLINE_X`: use it for secrets. A `DRIFTLINE_`
name that is not below, or a value that cannot be read, stops the start with the name, the value and what is expected.
What Kubernetes injects for a Service whose name begins with `driftline` is ignored. This page is made from the table
in `monitor/settings.py`.
"""
