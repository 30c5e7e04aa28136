"""The tables of the reference pages, made of the code itself: `python -m docs.reference`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.app import create_app
from service.flags import default_text
from service.settings import Settings, env_name, flag_name

FOLDER = Path(__file__).parent
BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}"}
NAMES = {"application/json": "JSON", "application/octet-stream": "bytes"}


def fill(page: str) -> str:
    """A page with every block between `<!-- begin NAME -->` and `<!-- end -->` made anew."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block[2]]()}\n\n{block[3]}", page)


def describe_settings() -> str:
    """Every setting with its names, default and limits."""
    properties = Settings.model_json_schema()["properties"]
    rows = [
        f"| `{env_name(name)}`<br>`{flag_name(name)}` "
        f"| {_code(default_text(field.default))} "
        f"| {_type(properties[name])} | {_cell(field.description)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | value | what |", "| --- | --- | --- | --- |", *rows])


def describe_routes() -> str:
    """Every route with its parameters, bodies and errors."""
    return "\n\n".join(part for route in _routes(_openapi()) for part in _describe_route(*route))


def describe_schemas() -> str:
    """Every object that is sent or answered, with every field."""
    schemas = _openapi()["components"]["schemas"]
    return "\n\n".join(
        part for name in sorted(schemas) for part in _describe_schema(name, schemas[name])
    )


BLOCKS = {"settings": describe_settings, "routes": describe_routes, "schemas": describe_schemas}


def _openapi() -> dict[str, Any]:
    return create_app(Settings(), {}).openapi()


def _routes(openapi: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _describe_route(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path}"
    yield f"{operation['summary']}. {operation['description']}"
    if parameters := operation.get("parameters"):
        head = ["| parameter | in | value | what |", "| --- | --- | --- | --- |"]
        yield "\n".join([*head, *map(_describe_parameter, parameters)])
    if body := operation.get("requestBody"):
        yield f"Takes: {_contents(body['content'])}."
    for status, answer in operation["responses"].items():
        if status < "400":
            what = "" if answer["description"] == "Successful Response" else answer["description"]
            yield f"Gives {status}: {_contents(answer.get('content', {}))}. {what}".rstrip()
    if errors := [status for status in operation["responses"] if status >= "400"]:
        yield f"[Errors](errors.md): {', '.join(errors)}."


def _describe_parameter(parameter: dict[str, Any]) -> str:
    value = _type(parameter["schema"]) + ("" if parameter["required"] else ", optional")
    what = parameter.get("description") or parameter["schema"].get("description")
    return f"| `{parameter['name']}` | {parameter['in']} | {value} | {_cell(what)} |"


def _contents(content: dict[str, Any]) -> str:
    """Media types, each with what it holds."""
    parts = []
    for media_type, body in content.items():
        name = NAMES.get(media_type, media_type)
        plain = body["schema"].get("type") == "string"
        parts.append(name if plain else f"{name}, {_type(body['schema'])}")
    return " or ".join(parts) or "no body"


def _describe_schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    if "description" in schema:
        yield schema["description"]
    if "properties" not in schema:
        yield _type(schema)
        return
    head = ["| field | value | what |", "| --- | --- | --- |"]
    required = schema.get("required", [])
    rows = [
        _describe_field(field, value, field in required)
        for field, value in schema["properties"].items()
    ]
    yield "\n".join([*head, *rows])


def _describe_field(name: str, value: dict[str, Any], required: bool) -> str:
    default = value.get("default")
    otherwise = "optional" if default in (None, "") else f"default {_code(default)}"
    kind = _type(value) if required else f"{_type(value)}, {otherwise}"
    return f"| `{name}` | {kind} | {_cell(value.get('description'))} |"


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words; limits included, patterns left out."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(option) for option in options))
    if "enum" in schema:
        return " or ".join(_code(value) for value in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    return " ".join([_plain_type(schema), *_limits(schema)])


def _plain_type(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        return f"list of ({_type(schema['items'])})"
    values = schema.get("additionalProperties")
    if kind == "object" and isinstance(values, dict):
        return f"object of ({_type(values)})"
    return str(kind)


def _limits(schema: dict[str, Any]) -> list[str]:
    return [
        words.format(f"{schema[name]:,.0f}") for name, words in LIMITS.items() if name in schema
    ]


def _code(value: Any) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.md")):
        path.write_text(fill(path.read_text()))
