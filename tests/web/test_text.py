"""A text, as it is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.service.serving import ROOT, Server, wait_until
from tests.web.visit import Visit

pytestmark = pytest.mark.browser

Open = Callable[..., Visit]

MIXED = "The staff were friendly and the bed was comfortable. The shower was broken."
MIXED_ZH = "味道很好，分量也足。就是送餐太慢了，汤都凉了。"
EMOJI = "😀😀 The room was wonderful 👩‍👩‍👧. 😡 The breakfast was horrible 😞!"


def asked(visit: Visit) -> list[str]:
    return [url for url in visit.requests if url.endswith("/analyze")]


def test_a_text_is_answered_as_it_is_typed(visit: Open) -> None:
    page = visit()
    expect(page.find("#hint")).to_be_visible()
    page.find("#text").press_sequentially("What a lovely day!", delay=15)
    page.wait_for_text("What a lovely day!")
    expect(page.find(".verdict .badge")).to_have_text("Positive")
    expect(page.find(".bars li")).to_have_count(3)
    assert len(asked(page)) < len("What a lovely day!") / 2


def test_the_numbers_are_those_of_the_service(visit: Open, server: Server) -> None:
    page = visit()
    page.read(MIXED)
    (answer,) = server.request("POST", "/analyze", {"inputs": MIXED}).body["analyses"]
    for label in ("Positive", "Neutral", "Negative"):
        share = f"{100 * answer['probabilities'][label.lower()]:.1f}%"
        expect(
            page.find(
                ".bars li",
            )
            .filter(has_text=label)
            .locator(".figure")
        ).to_have_text(share)
    labels = [sentence["label"].capitalize() for sentence in answer["sentences"]]
    expect(page.find(".sentence .badge")).to_have_text(labels)


def test_a_mixed_text_is_called_so(visit: Open) -> None:
    page = visit()
    page.read(MIXED)
    expect(page.find(".verdict .mixed")).to_have_text("Mixed")
    assert page.find(".sentence").evaluate_all("all => all.map(one => one.className)") == [
        "sentence positive",
        "sentence negative",
    ]
    page.read("What a lovely day!")
    expect(page.find(".verdict .mixed")).to_have_count(0)


def test_words_stand_in_the_text_at_their_place_though_emoji_are_two_units(
    visit: Open, server: Server
) -> None:
    page = visit()
    page.read(EMOJI)
    body = {"inputs": EMOJI, "explain": True}
    (answer,) = server.request("POST", "/analyze", body).body["analyses"]
    words = {word["text"] for word in answer["explanation"]["words"]}
    marked = page.find(".sentence mark").all_text_contents()
    assert {"wonderful", "horrible"} <= set(marked) <= words
    expect(page.find(".sentence mark.up").filter(has_text="wonderful")).to_be_visible()
    expect(page.find(".sentence mark.down").filter(has_text="horrible")).to_be_visible()


def test_words_of_a_long_text_are_highlighted_when_asked_for(visit: Open) -> None:
    page = visit()
    text = "The room was clean and the staff were kind. " * 8
    page.read(text)
    expect(page.find("#words")).to_be_hidden()
    page.button("Highlight the words").click()
    expect(page.find("#words")).to_be_visible()
    expect(page.button("Highlight the words")).to_be_hidden()


def test_too_many_words_to_highlight_leave_the_sentences_there(visit: Open) -> None:
    page = visit()
    page.refusals_expected = True
    text = "The room was clean and the staff were kind. " * 40
    page.read(text)
    page.button("Highlight the words").click()
    expect(page.find("#text-problem")).to_contain_text("the limit for `explain` is 256")
    expect(page.find(".sentence")).to_have_count(40)


def test_an_example_fills_the_box(visit: Open) -> None:
    page = visit()
    page.find(".example").nth(4).click()
    page.wait_for_text(page.find("#text").input_value())
    expect(page.find(".verdict .mixed")).to_be_visible()
    expect(page.find(".example[lang='zh-Hans']")).to_have_count(3)


def test_an_emptied_box_is_as_at_the_beginning(visit: Open) -> None:
    page = visit()
    page.read(MIXED)
    page.write("  \n")
    expect(page.find("#hint")).to_be_visible()
    expect(page.find("#details")).to_be_hidden()
    expect(page.find("#verdict")).to_be_hidden()


def test_an_answer_that_comes_late_does_not_replace_a_later_text_s(visit: Open) -> None:
    page = visit()
    held: list[Route] = []
    page.page.route("**/analyze", lambda route: held.append(route), times=1)
    page.write("A horrible day.")
    wait_until(lambda: page.page.wait_for_timeout(10) or held, "the first request")
    page.read("A lovely day.")
    assert held[0].request.failure == "net::ERR_ABORTED"
    expect(page.find(".verdict .badge")).to_have_text("Positive")


def test_what_is_read_out_is_the_result(visit: Open) -> None:
    page = visit()
    page.read("What a lovely day!")
    expect(page.find("#announcer")).to_contain_text("Positive")


def test_a_text_that_is_too_long_is_refused_in_words_and_kept(visit: Open) -> None:
    page = visit()
    page.refusals_expected = True
    page.write("long " * 30_000)
    expect(page.find("#text-problem")).to_contain_text("too long")
    expect(page.find("#text-problem")).to_contain_text("131072")
    assert len(page.find("#text").input_value()) == 150_000


def test_a_text_that_cannot_be_read_is_refused_in_words(visit: Open) -> None:
    page = visit(locale="zh-CN")
    page.refusals_expected = True
    page.write("a\0b")
    expect(page.find("#text-problem")).to_contain_text("服务无法读取此内容")
    page.button("English").click()
    expect(page.find("#text-problem")).to_contain_text("cannot read this.")
    page.read("better")
    expect(page.find("#text-problem")).to_be_hidden()


def test_a_busy_service_is_asked_again_by_itself(visit: Open) -> None:
    page = visit()
    page.refusals_expected = True
    error = {"error": {"type": "overloaded", "message": "the queue is full"}}
    busy = {"status": 429, "headers": {"retry-after": "1"}, "json": error}
    page.page.route("**/analyze", lambda route: route.fulfill(**busy), times=1)
    page.write(MIXED)
    expect(page.find("#text-problem")).to_contain_text("busy")
    page.wait_for_text(MIXED)
    expect(page.find("#text-problem")).to_be_hidden()


def test_a_service_that_has_gone_is_said_and_the_text_kept(visit: Open, tmp_path: Path) -> None:
    with Server(ROOT / "models", tmp_path / "log", processes=1) as server:
        wait_until(server.is_ready, "readiness")
        page = visit(f"http://127.0.0.1:{server.port}/")
        page.refusals_expected = True
        page.read(MIXED)
    page.write(MIXED + " Really.")
    expect(page.find("#text-problem")).to_contain_text("cannot be reached")
    assert page.find("#text").input_value() == MIXED + " Really."
    expect(page.find(".sentence")).to_have_count(2)


def test_one_of_several_models_can_be_chosen(visit: Open, models_dir: Path, tmp_path: Path) -> None:
    with Server(models_dir, tmp_path / "log", processes=1, models="default,other") as server:
        wait_until(server.is_ready, "readiness")
        page = visit(f"http://127.0.0.1:{server.port}/")
        page.read("good")
        with page.page.expect_request("**/analyze") as request:
            page.page.get_by_label("Model").select_option("other")
        assert request.value.post_data_json["model"] == "other"
        assert request.value.response().json()["model"] == "other"


def test_nobody_is_asked_to_choose_the_only_model(visit: Open) -> None:
    page = visit()
    page.page.wait_for_load_state("networkidle")
    expect(page.find("#chooser")).to_be_hidden()


def test_the_page_works_below_a_prefix(visit: Open, server: Server) -> None:
    page = visit()
    prefix = f"{page.url}sentiment/"
    below: set[str] = set()

    def strip(route: Route) -> None:  # as a proxy does
        path = route.request.url.removeprefix(prefix)
        below.add(path)
        route.fulfill(response=route.fetch(url=page.url + path))

    page.page.route(f"{prefix}**", strip)
    page.page.goto(prefix)
    page.read(MIXED_ZH)
    assert {"", "analyze", "models", "static/web/app.js", "static/web/style.css"} <= below
