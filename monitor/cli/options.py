"""Options made from tables: one for every role of a column, one for every setting of the server."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any

import typer

from monitor.columns.roles import ARGUMENTS
from monitor.settings import TABLE, Settings, default_text, load_settings

Items = list[tuple[str, str]]


def with_roles(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each role; its parameter ``roles`` gets (role, column) pairs."""
    options = {}
    for argument in ARGUMENTS:
        option = typer.Option(f"--{argument.name}", help=argument.help, rich_help_panel="Roles of columns")
        kind: Any = list[str] if argument.repeatable else str
        options[argument.name] = Annotated[kind | None, option]

    def roles_of(values: Mapping[str, Any]) -> Items:
        items: Items = []
        for name, value in values.items():
            items += [(name, text) for text in ([value] if isinstance(value, str) else value or ())]
        return items

    return _expanded(command, parameter="roles", options=options, gather=roles_of)


def with_settings(*, port: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command an option for each setting of the server; its parameter ``settings`` gets them parsed.

    ``port`` is the command's own default of that setting.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = {}
        for name, setting in TABLE.items():
            if setting.scope != "server":
                continue
            flag = f"--{name.replace('_', '-')}"
            default = port if name == "port" and port is not None else default_text(name)
            help_text = f"{setting.help} [DRIFTLINE_{name.upper()}{f'; default: {default}' if default else ''}]"
            options[name] = Annotated[
                str | None, typer.Option(flag, help=help_text, metavar="TEXT", show_default=False)
            ]

        def settings_of(values: Mapping[str, Any]) -> Settings:
            environment = dict(os.environ)
            if port is not None and values["port"] is None and _unset(environment, "DRIFTLINE_PORT"):
                values = {**values, "port": port}
            return load_settings(environment, options=values)

        return _expanded(command, parameter="settings", options=options, gather=settings_of)

    return decorate


def _unset(environment: Mapping[str, str], name: str) -> bool:
    return name + "_FILE" not in environment and environment.get(name, "tcp://").startswith("tcp://")


def _expanded(
    command: Callable[..., None], *, parameter: str, options: Mapping[str, Any],
    gather: Callable[[Mapping[str, Any]], Any],
) -> Callable[..., None]:  # fmt: skip
    """The command with ``parameter`` replaced by the options; what they are given is gathered into it."""
    own = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def expanded(**given: Any) -> None:
        values = {name: given.pop(name) for name in options}
        command(**given, **{parameter: gather(values)})

    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]
    kept = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, p in own.items() if name != parameter]
    expanded.__signature__ = inspect.Signature([*kept, *made])  # type: ignore[attr-defined]
    expanded.__annotations__ = {p.name: p.annotation for p in (*kept, *made)}
    return expanded
