"""What a token costs a request: who is it, may it. In memory, on one core, without HTTP and without a commit.

The baseline of the same run is decoding one record of 50 features in a group of 64, the least that a request costs.
"""

from __future__ import annotations

import tempfile

from benchmarks.ingest import json_body
from benchmarks.ingest_core import best_seconds, merged_rows
from monitor.api.access import decide
from monitor.api.keyring import Keyring
from monitor.model.grants import Grant, digest_of, new_token
from monitor.store import open_store, tokens

REQUESTS, STORED = 2_000, 1_000


def keyring(folder: str, token: str | None) -> Keyring:
    """The keys of a server: none, or a thousand tokens of which the one given is limited to a pattern."""
    store = open_store("", data_dir=folder, migrate=True)
    with store.write() as conn:
        for n in range(STORED if token is not None else 0):
            grant = Grant(name=f"t{n}", role="ingest", models=("bench*",))
            tokens.insert_token(conn, grant, digest=digest_of(token if n == 500 else new_token()), now_us=1)
    return Keyring(store, now_us=lambda: 1)


def main() -> None:
    """Prints the table."""
    single = json_body(1)
    record = best_seconds(lambda: merged_rows(single, 64)) / 64
    print("| a request | µs | ÷ decoding its record |\n|---|---|---|")
    token = new_token()
    for name, stored, sent in (
        ("no token stored, none sent", None, b""),
        ("1,000 stored, the right one sent, limited to a pattern", token, f"Bearer {token}".encode()),
    ):
        with tempfile.TemporaryDirectory() as folder:
            keys = keyring(folder, stored)

            def requests(keys=keys, sent=sent):
                for _ in range(REQUESTS):
                    decide("ingest", caller=keys.identify(sent), model="bench")

            took = best_seconds(requests) / REQUESTS
        print(f"| {name} | {took * 1e6:.2f} | {took / record:.3f} |")


if __name__ == "__main__":
    main()
