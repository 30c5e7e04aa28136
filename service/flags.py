"""Every setting as a flag, generated from its one definition."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from service.errors import SentimentError
from service.settings import Settings, env_name, flag_name


class SettingsError(SentimentError):
    """A setting has a value that cannot be; the message names it and its limit."""


def read_settings(flags: Mapping[str, str | None]) -> Settings:
    """The settings of flags, of the environment where a flag is left out, else the defaults.

    Raises SettingsError.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{flag_name(field)} ({env_name(field)}): {reason}") from error


def with_settings_flags(*only: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a flag for each setting, or for `only` those named, to a command's signature.

    The command takes them as keywords of type `str | None`: pydantic checks the values, so
    that a flag and its environment variable are checked alike.
    """
    fields = {name: Settings.model_fields[name] for name in only} or Settings.model_fields

    def add_flags(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += [_flag(name, field) for name, field in fields.items()]
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return add_flags


def _flag(name: str, field: FieldInfo) -> inspect.Parameter:
    option = typer.Option(
        flag_name(name), envvar=env_name(name), metavar=_metavar(field), help=field.description
    )
    annotation = Annotated[str | None, option]
    default = default_text(field.default)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _metavar(field: FieldInfo) -> str:
    return "NUMBER" if field.annotation in (int, int | None) else "TEXT"


def default_text(default: Any) -> str | None:
    """A default as it would be typed; None where there is nothing to show."""
    if default is None or default == "":
        return None
    return ",".join(default) if isinstance(default, tuple) else str(default)
