"""The page of /docs needs nothing but the service itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.model import Model
from service.settings import Settings


class Links(HTMLParser):
    """Every address that a page loads something from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def links_of(page: str) -> list[str]:
    links = Links()
    links.feed(page)
    return links.found


@pytest.fixture(scope="module")
def schema(client: TestClient) -> Any:
    return client.get("/openapi.json").json()


def test_docs_load_everything_from_the_service(client: TestClient) -> None:
    page = client.get("/docs").text
    links = links_of(page)
    assert {link.rsplit(".", 1)[1] for link in links} == {"js", "css", "png"}
    for link in links:
        assert link.startswith("/"), link
        assert client.get(link).status_code == 200, link
    assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("<!DOCTYPE", "")


def test_docs_ask_no_validator_on_the_internet(client: TestClient) -> None:
    assert '"validatorUrl": null' in client.get("/docs").text


def test_docs_work_behind_a_proxy_that_adds_a_path(models: dict[str, Model]) -> None:
    app = create_app(Settings(), models)
    with TestClient(app, root_path="/sentiment") as client:
        page = client.get("/docs").text
        assert "url: '/sentiment/openapi.json'" in page
        for link in links_of(page):
            assert link.startswith("/sentiment/")
            assert client.get(link).status_code == 200, link


def test_examples_of_both_languages_can_be_chosen(schema: Any) -> None:
    content = schema["paths"]["/predict"]["post"]["requestBody"]["content"]
    examples = content["application/json"]["examples"]
    assert {"english", "chinese"} <= set(examples)
    assert re.search("[a-z]", examples["english"]["value"]["inputs"])
    assert re.search("[\u4e00-\u9fff]", examples["chinese"]["value"]["inputs"])


def test_every_documented_error_has_the_one_schema(schema: Any) -> None:
    responses = schema["paths"]["/predict"]["post"]["responses"]
    errors = {status: response for status, response in responses.items() if status != "200"}
    assert set(errors) == {"400", "404", "408", "413", "415", "422", "429", "503", "504"}
    for response in errors.values():
        content = response["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
        assert content["example"]["error"]["type"]


def test_the_header_of_the_deadline_is_described(schema: Any) -> None:
    for path in ("/predict", "/", "/v2/models/{name}/infer"):
        headers = [p for p in schema["paths"][path]["post"]["parameters"] if p["in"] == "header"]
        (header,) = [header for header in headers if header["name"] == "X-Request-Timeout-Ms"]
        assert "504" in header["description"]
        assert header["schema"]["type"] == "integer"


def test_the_schema_of_fastapis_own_errors_is_gone(schema: Any) -> None:
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_every_route_is_described(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1")
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
