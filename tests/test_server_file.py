from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from monitor.model.errors import ConfigurationError
from monitor.model.grants import Grant, digest_of
from monitor.server_file import ServerFile, read_server_file, read_yaml
from monitor.tokens_file import FileToken, TokensFile

SECRET = "0123456789abcdef" * 4


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_server_file_says_where_tokens_are_and_that_metrics_need_none(tmp_path):
    path = written(tmp_path / "server.yaml", "driftline: 1\nauth: {tokens_file: tokens.yaml, metrics: none}\n")
    assert read_server_file(path) == ServerFile(tokens_file=tmp_path / "tokens.yaml", open_metrics=True)
    assert read_server_file(written(path, "driftline: 1\n")) == ServerFile()
    absolute = written(path, "driftline: 1\nauth: {tokens_file: /run/secrets/tokens.yaml, metrics: token}\n")
    assert read_server_file(absolute) == ServerFile(tokens_file=Path("/run/secrets/tokens.yaml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a mapping"), ("- 1", "expected a mapping"), ("auth: {}", "driftline is None: expected 1"),
        ("driftline: 2", "driftline is 2"), ("driftline: true", "driftline is True"),
        ("driftline: 1\nauht: {}", r"'auht' is not known \(did you mean 'auth'\?\)"),
        ("driftline: 1\nauth: {token_file: x}", "did you mean 'tokens_file'"),
        ("driftline: 1\nauth: {tokens_file: 5}", "tokens_file is 5: expected a path"),
        ("driftline: 1\nauth: {metrics: open}", "metrics is 'open': expected none"),
        ("driftline: 1\nauth: {metrics: }", "metrics is None: expected none"),
        ("driftline: 1\nauth: []", "auth: expected a mapping"),
        ("driftline: 1\ntargets: {}", "targets is not available yet"),
        ("driftline: 1\ndefaults: {}", "defaults is not available yet"),
        ("driftline: 1\nauth: {metrics: none}\nauth: {}", "line 3.*'auth' is there twice"),
        ("driftline: 1\nauth: {metrics: none", "is not YAML"), ("a: !!python/name:os.system x", "is not YAML"),
        ("driftline: 1\n\x00", "is not YAML"),
    ],
)  # fmt: skip
def test_a_server_file_that_is_wrong_stops_the_start_in_words(tmp_path, text, said):
    path = written(tmp_path / "server.yaml", text)
    with pytest.raises(ConfigurationError, match=said) as refused:
        read_server_file(path)
    assert str(path) in refused.value.detail


@pytest.mark.limit("monitor.tokens_file.MOST_TOKENS")
def test_a_tokens_file_has_so_many_tokens_and_one_more_stops_the_start(tmp_path):
    def listed(count):
        tokens = "\n".join(f"- {{name: t{n}, role: read, sha256: '{n:064x}'}}" for n in range(1, count + 1))
        return written(tmp_path / "tokens.yaml", f"tokens:\n{tokens}\n")

    assert len(TokensFile(listed(1_000)).tokens) == 1_000
    with pytest.raises(ConfigurationError, match="expected a list of at most 1000"):
        TokensFile(listed(1_001))


def test_a_file_that_is_not_there_or_too_large_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: expected a readable"):
        read_server_file(tmp_path / "absent.yaml")
    with pytest.raises(ConfigurationError, match="expected at most 1048576"):
        read_yaml(written(tmp_path / "large.yaml", "#" * 2**20 + "#"))


def test_tokens_are_listed_by_hash_or_by_a_file_that_holds_one(tmp_path):
    written(tmp_path / "prometheus", SECRET + "\n")
    path = written(
        tmp_path / "tokens.yaml",
        f"""
tokens:
  - {{name: prometheus, role: metrics, token_file: prometheus}}
  - name: etl
    role: ingest
    sha256: {digest_of("x" * 40).hex().upper()}
    models: [churn*, fraud]
    expires: 2027-01-01
""",
    )
    assert TokensFile(path).tokens == (
        FileToken(grant=Grant(name="prometheus", role="metrics"), digest=digest_of(SECRET)),
        FileToken(
            grant=Grant(name="etl", role="ingest", models=("churn*", "fraud"), expires_us=1_798_761_600_000_000),
            digest=digest_of("x" * 40),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("{name: a, role: read}", "expected one of token_file"),
        (f"{{name: a, role: read, token_file: t, sha256: {'0' * 64}}}", "expected one of token_file"),
        ("{name: a, role: read, sha256: abc}", "64 hexadecimal digits"),
        ("{name: a, role: read, token_file: absent}", "absent: expected a readable text file"),
        ("{name: a, role: read, token_file: short}", "at least 32 printable"),
        ("{name: a, role: reed, token_file: t}", "did you mean 'read'"),
        ("{name: a, role: read, token: t}", "'token' is not known.*did you mean 'token_file'"),
        ("{name: a, role: read, token_file: t, models: churn}", "models is 'churn': expected a list"),
        ("{name: a, role: read, token_file: t, expires: soon}", "'soon' is not a time"),
        ("{name: a, role: read, token_file: t, expires: 5}", "expires is 5: expected a date"),
        ("{name: 5, role: read, token_file: t}", "a name and a role, both text"),
        ("{name: a, role: read, token_file: t}\n- {name: a, role: read, token_file: t}", "'a' is there twice"),
        ("5", "token 1: expected a mapping"),
    ],
)  # fmt: skip
def test_a_token_that_is_listed_wrong_stops_the_start_and_no_secret_is_said(tmp_path, token, said):
    written(tmp_path / "t", SECRET)
    written(tmp_path / "short", SECRET[:31])
    with pytest.raises(ConfigurationError, match=re.compile(said, re.S)) as refused:
        TokensFile(written(tmp_path / "tokens.yaml", f"tokens:\n- {token}\n"))
    assert SECRET[:31] not in refused.value.detail


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_what_was_there(tmp_path, caplog):
    secret = written(tmp_path / "t", SECRET)
    path = written(tmp_path / "tokens.yaml", "tokens: [{name: a, role: read, token_file: t}]")
    file = TokensFile(path)
    (before,) = file.tokens
    replaced = written(tmp_path / "new", "f" * 64)
    replaced.replace(secret)
    file.look()
    (after,) = file.tokens
    assert (before.digest, after.digest) == (digest_of(SECRET), digest_of("f" * 64))
    written(path, "tokens: [")
    for _ in range(3):
        file.look()
    assert file.tokens == (after,)
    assert caplog.text.count("stays in force") == 1
    os.unlink(path)
    file.look()
    assert file.tokens == (after,)
