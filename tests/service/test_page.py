"""The page at / as it goes over the wire; tests/web looks at it in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import service
from service.app import create_app
from service.model import Model
from service.settings import Settings

WEB = Path(service.__file__).parent / "web"
FILES = sorted(path.name for path in WEB.iterdir())
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, which nobody loads


class Attributes(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def tags(client: TestClient) -> list[tuple[str, dict[str, str | None]]]:
    return Attributes(client.get("/").text).tags


def test_the_root_is_a_page_with_a_strict_policy(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_head_is_get_without_a_body(client: TestClient) -> None:
    for path in ("/", "/static/web/app.js"):
        got, asked = client.get(path), client.head(path)
        assert (asked.status_code, asked.content) == (200, b"")
        assert asked.headers["content-length"] == str(len(got.content))
        assert asked.headers["etag"] == got.headers["etag"]


def test_a_post_to_the_root_is_still_hugging_face_s(client: TestClient) -> None:
    answer = client.post("/", json={"inputs": "good"}).json()
    assert {"label", "score"} == set(answer[0][0])


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_page_is_served_with_its_type(client: TestClient, name: str) -> None:
    response = client.get(f"/static/web/{name}")
    types = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg"}
    assert response.headers["content-type"].startswith(types[name.rsplit(".", 1)[1]])
    assert response.content == (WEB / name).read_bytes()


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", ["none.js", "..%2fapp.py", "%2e%2e%2fapp.py", "a/b.js", ""])
def test_any_other_file_is_not_found(client: TestClient, name: str) -> None:
    response = client.get(f"/static/web/{name}")
    assert response.status_code == 404
    assert response.json()["error"]["type"] == "not_found"


def test_the_page_loads_from_the_service_alone(
    client: TestClient, tags: list[tuple[str, dict[str, str | None]]]
) -> None:
    links = [value for _, found in tags for name in ("src", "href") if (value := found.get(name))]
    assert {"docs", "static/web/app.js", "static/web/style.css"} <= set(links)
    for link in links:
        assert not link.startswith("/"), link  # else it would not hold below a prefix
        assert link.startswith("#") or client.get(f"/{link}").status_code == 200, link


def test_no_file_of_the_page_names_another_host() -> None:
    for name in FILES:
        content = (WEB / name).read_text().replace(NAMESPACE, "")
        assert not re.search(r"https?:|//[a-z0-9-]+\.|@import|url\(", content), name


def test_the_policy_has_nothing_to_forbid_in_the_page(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    for tag, found in tags:
        assert tag != "style"
        assert tag != "script" or found.get("src")
        assert not [name for name in found if name == "style" or name.startswith("on")]


def test_scripts_import_files_that_are_there_and_set_no_markup() -> None:
    for name in FILES:
        if name.endswith(".js"):
            content = (WEB / name).read_text()
            assert set(re.findall(r'from "\./([a-z0-9]+\.js)"', content)) <= set(FILES)
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|\.write\(\"", content
            )


def test_the_page_is_no_part_of_the_contract(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths["/"]) == {"post"}
    assert not [path for path in paths if path.startswith("/static")]


def test_all_files_of_the_page_are_one_route_to_the_metrics(models: dict[str, Model]) -> None:
    with TestClient(create_app(Settings(), models)) as client:
        for path in ("/", "/static/web/app.js", "/static/web/style.css", "/static/web/none"):
            client.get(path)
        metrics = client.get("/metrics").text
    routes = set(re.findall(r'sentiment_request_seconds_count\{.*?route="([^"]*)"', metrics))
    assert routes == {"/", "/static/web/{name}"}
