"""``driftline alerts``: listed, acknowledged, snoozed, judged."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from monitor.cli.explain import print_explanation
from monitor.cli.output import print_fields, print_json, print_table
from monitor.cli.server import Json, Token, Url, ask, listed
from monitor.model.errors import InvalidInput

alerts = typer.Typer(no_args_is_help=True, help="Alerts: list, get, acknowledge, snooze, say what they were.")
_COLUMNS = (
    "id",
    "at",
    "model",
    "version",
    "segment",
    "check",
    "status",
    "state",
    "acknowledged",
    "held_back",
    "verdict",
)

_EXPLAINED = ("explanation", "why", "columns")  # said in sentences and a table

Alert = Annotated[str, typer.Argument(help="the id that `driftline alerts list` shows, such as al_12")]
Reason = Annotated[str | None, typer.Option(help="why")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="take back what was said")]


@alerts.command("list")
def list_alerts(
    state: Annotated[str | None, typer.Option(help="firing or resolved")] = None,
    model: Annotated[str | None, typer.Option(help="only this model's")] = None,
    segment: Annotated[str | None, typer.Option(help='only this segment\'s; "": those of all traffic')] = None,
    limit: Annotated[int, typer.Option(min=1, help="the most alerts")] = 100,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Verdicts that changed, newest first, with what was said of them.

    Example: driftline alerts list --state firing
    """
    params = {"state": state, "model": model, "segment": segment, "limit": min(limit, 10_000)}
    rows = listed(url, token, "alerts", params=params, limit=limit)
    if as_json:
        print_json(rows)
        return
    print_table([_row(row) for row in rows], columns=_COLUMNS)


@alerts.command("get")
def get_alert(alert: Alert, url: Url = None, token: Token = None, as_json: Json = False) -> None:
    """One alert, and why: which columns, which way, since when, how unusual.

    Example: driftline alerts get al_12
    """
    found = ask(url, token, "GET", _path(alert)).json()
    if as_json:
        print_json(found)
        return
    print_fields({name: value for name, value in found.items() if name not in _EXPLAINED})
    sys.stdout.write("\n")
    print_explanation(found)


@alerts.command("acknowledge")
def acknowledge(
    alert: Alert,
    reason: Reason = None,
    until: Annotated[str | None, typer.Option(help="when it lapses, such as 4h or 2026-03-02T18:00:00Z")] = None,
    withdraw: Withdraw = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Says that the alert is yours; refused while it is somebody else's.

    Example: driftline alerts acknowledge al_12 --reason "looking into it" --until 4h
    """
    body = {"reason": reason, "until": until}
    _say(alert, "acknowledge", body, url=url, token=token, withdraw=withdraw, as_json=as_json)


@alerts.command("snooze")
def snooze(
    alert: Alert,
    until: Annotated[str | None, typer.Option(help="such as 4h or 2026-03-02T18:00:00Z; at most 30 days")] = None,
    reason: Reason = None,
    withdraw: Withdraw = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Has nobody told of the alert until then, or until it is resolved or gets worse.

    Example: driftline alerts snooze al_12 --until 3d --reason "the fix is deployed on Monday"
    """
    if until is None and not withdraw:
        raise InvalidInput("say until when: --until 4h; or --withdraw")
    body = {"until": until, "reason": reason}
    _say(alert, "snooze", body, url=url, token=token, withdraw=withdraw, as_json=as_json)


@alerts.command("verdict")
def verdict(
    alert: Alert,
    was: Annotated[str | None, typer.Argument(help="real, incident, false_alarm or expected")] = None,
    reason: Reason = None,
    withdraw: Withdraw = False,
    url: Url = None,
    token: Token = None,
    as_json: Json = False,
) -> None:
    """Says what the alert was: thresholds are learned from windows that were healthy.

    Example: driftline alerts verdict al_12 false_alarm --reason "the spring sale"
    """
    if was is None and not withdraw:
        raise InvalidInput("say what the alert was: real, incident, false_alarm or expected; or --withdraw")
    _say(alert, "verdict", {"was": was, "reason": reason}, url=url, token=token, withdraw=withdraw, as_json=as_json)


def _say(
    alert: str, word: str, given: dict[str, Any], *, url: str | None, token: str | None, withdraw: bool, as_json: bool
) -> None:
    body = {field: value for field, value in given.items() if value is not None}
    if withdraw:
        if body:
            raise InvalidInput(f"--withdraw takes back what was said: expected it without {', '.join(body)}")
        ask(url, token, "DELETE", _path(alert, word), repeat=True)
        return
    _show(ask(url, token, "POST", _path(alert, word), json=body, repeat=True).json(), as_json=as_json)


def _show(alert: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(alert)
    else:
        print_fields(alert)


def _path(alert: str, *rest: str) -> str:
    return "/".join(["alerts", quote(alert, safe=""), *rest])


def _row(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert in a table: what was said of it in a word."""
    acknowledged, held, verdict = alert["acknowledged"], alert["held_back"], alert["verdict"]
    return alert | {
        "held_back": None if held is None else f"{held['id']} until {held['until']}",
        "acknowledged": None if acknowledged is None else acknowledged["by"] or "yes",
        "verdict": None if verdict is None else verdict["was"],
    }
