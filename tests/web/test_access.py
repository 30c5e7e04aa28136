"""Languages, keyboard, screen readers, phones: whoever comes can use the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.visit import Visit

pytestmark = pytest.mark.browser

Open = Callable[..., Visit]

MIXED = "The staff were excellent and the bed was perfect. The shower was dirty. We left."
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


def test_the_language_is_the_browser_s_until_another_is_chosen(visit: Open) -> None:
    page = visit(locale="zh-CN")
    expect(page.find("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.page).to_have_title("情感分析")
    expect(page.find("h1")).to_have_text("这段文字，是褒是贬？")
    page.button("English").click()
    expect(page.find("h1")).to_have_text("How does it read?")
    page.page.reload()
    expect(page.find("html")).to_have_attribute("lang", "en")
    expect(page.button("中文")).to_be_visible()


def test_a_result_changes_its_language_too(visit: Open, reviews: Path) -> None:
    page = visit()
    page.read(MIXED)
    page.answer_file(reviews)
    page.button("中文").click()
    expect(page.find(".verdict .badge").first).to_have_text("负面")
    expect(page.find(".state")).to_have_text("共读取 200 行，其中 1 行没有结果。")
    expect(page.find(".extremes h3")).to_have_text(["最正面", "最负面", "最不确定"])
    left = page.find("main").inner_text()
    for word in ("Positive", "Negative", "Neutral", "Score", "Row ", "Start", "Download"):
        assert word not in left


def test_both_languages_say_the_same_things(visit: Open) -> None:
    page = visit()
    texts = page.run_module("texts", "return module.TEXTS")
    assert texts["en"].keys() == texts["zh"].keys()
    for key, text in texts["en"].items():
        assert text.count("{") == texts["zh"][key].count("{"), key


def test_the_page_as_sent_is_the_english_one(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    sent = page.page.eval_on_selector_all(
        "[data-i18n]", "all => all.map(one => [one.dataset.i18n, one.textContent.trim()])"
    )
    texts = visit().run_module("texts", "return module.TEXTS.en")
    assert len(sent) > 15
    for key, text in sent:
        assert " ".join(text.split()) == texts[key]


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, {"locale": "zh-CN"}, PHONE, {"forced_colors": "active"}],
    ids=["light", "dark", "chinese", "phone", "forced-colors"],
)
def test_axe_finds_no_violation(visit: Open, reviews: Path, options: dict[str, Any]) -> None:
    page = visit(**options, reduced_motion="reduce")
    assert page.violations() == []
    page.read(MIXED)
    page.choose(reviews)
    expect(page.find("#start")).to_be_visible()
    assert page.violations() == []
    page.find("#start").click()
    expect(page.find("progress")).to_be_hidden()
    expect(page.find("tbody tr")).to_have_count(20)
    page.find(".filter.negative").click()
    assert page.violations() == []


def test_axe_finds_no_violation_in_what_goes_wrong(visit: Open, tmp_path: Path) -> None:
    page = visit(reduced_motion="reduce")
    page.refusals_expected = True
    page.write("a\0b")
    expect(page.find("#text-problem")).to_be_visible()
    (tmp_path / "empty.csv").write_bytes(b"")
    page.choose(tmp_path / "empty.csv")
    expect(page.find("#file-problem")).to_be_visible()
    assert page.violations() == []


def test_everything_can_be_done_by_keyboard(visit: Open, reviews: Path) -> None:
    page = visit()
    keyboard = page.page.keyboard
    keyboard.press("Tab")
    expect(page.find(".skip")).to_be_focused()
    expect(page.find(".skip")).to_be_in_viewport()
    keyboard.press("Enter")
    keyboard.press("Tab")
    expect(page.find("#text")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    page.wait_for_text(page.find("#text").input_value())
    page.choose(reviews)
    expect(page.find("#start")).to_be_focused()
    keyboard.press("Enter")
    expect(page.find("progress")).to_be_hidden()
    page.find(".filter.neutral").focus()
    keyboard.press("Space")
    expect(page.find(".filter.neutral")).to_be_focused()
    expect(page.find(".filter.neutral")).to_have_attribute("aria-pressed", "true")


def test_a_narrow_phone_needs_no_scrolling_sideways(visit: Open, reviews: Path) -> None:
    page = visit(**PHONE)
    page.read(MIXED + " " + "W" * 200)
    page.answer_file(reviews)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_labels_are_told_by_more_than_colour(visit: Open) -> None:
    page = visit()
    page.read(MIXED)  # words on both sides
    signs = page.page.eval_on_selector_all(
        ".sentence .badge", "all => all.map(one => getComputedStyle(one, '::before').content)"
    )
    names = page.find(".sentence .badge").all_text_contents()
    assert len(set(zip(signs, names, strict=True))) == len(set(names)) >= 2
    lines = page.page.eval_on_selector_all(
        ".sentence mark", "all => all.map(one => getComputedStyle(one).textDecorationStyle)"
    )
    assert set(lines) == {"solid", "wavy"}
