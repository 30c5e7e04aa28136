"""A file: read, answered and given back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Route, expect

from tests.service.serving import Server, wait_until
from tests.web.visit import Visit

pytestmark = pytest.mark.browser

Open = Callable[..., Visit]

ADDED = ["label", "score", "score_negative", "score_neutral", "score_positive", "error"]
TSV = 'id\tbody\n1\t"Lovely, ""truly""\nlovely"\n2\tIt broke\tat once\n\n3\n'


def read_csv(content: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode()), delimiter=delimiter))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_comes_back_with_its_answers(visit: Open, server: Server, reviews: Path) -> None:
    page = visit()
    page.answer_file(reviews)
    expect(page.find(".state")).to_have_text("200 rows read; 1 of them could not be answered.")
    download = page.download()
    assert download.suggested_filename == "reviews-sentiment.csv"

    before, after = read_csv(reviews.read_bytes()), read_csv(download.path().read_bytes())
    assert after[0] == before[0] + ADDED
    assert [row[:3] for row in after] == before
    texts = [row[2] for row in before[1:]]
    predictions = server.predict(texts).body["predictions"]
    for row, prediction in zip(after[1:], predictions, strict=True):
        if "error" in prediction:
            assert row[3:] == ["", "", "", "", "", prediction["error"]["message"]]
        else:
            assert row[3] == prediction["label"]
            assert float(row[4]) == prediction["score"]
            assert float(row[7]) == prediction["scores"]["positive"]


def test_what_the_file_came_to_is_shown(visit: Open, server: Server, reviews: Path) -> None:
    page = visit()
    page.answer_file(reviews)
    texts = [row[2] for row in read_csv(reviews.read_bytes())[1:]]
    answers = server.predict(texts).body["predictions"]
    found = [
        (text, answer) for text, answer in zip(texts, answers, strict=True) if "label" in answer
    ]

    def polarity(pair: tuple[str, dict[str, dict[str, float]]]) -> float:
        return pair[1]["scores"]["positive"] - pair[1]["scores"]["negative"]

    lists = page.find(".extremes > div")
    expect(lists.nth(0).locator(".excerpt").first).to_have_text(max(found, key=polarity)[0])
    expect(lists.nth(1).locator(".excerpt").first).to_have_text(min(found, key=polarity)[0])
    unsure = min(found, key=lambda pair: pair[1]["score"])[0]
    expect(lists.nth(2).locator(".excerpt").first).to_have_text(unsure)
    positive = sum(answer["label"] == "positive" for _, answer in found)
    expect(page.find(".shares li").first).to_contain_text(f"{positive} rows")
    summary = page.find(".chart").get_attribute("aria-label")
    assert summary is not None
    assert summary.startswith("Rows by score")


def test_rows_can_be_filtered_by_their_label(visit: Open, reviews: Path) -> None:
    page = visit()
    page.answer_file(reviews)
    expect(page.find("tbody tr")).to_have_count(20)
    page.button("Show more").click()
    expect(page.find("tbody tr")).to_have_count(120)
    negative = page.find(".filter.negative")
    negative.click()
    expect(negative).to_have_attribute("aria-pressed", "true")
    assert set(page.find("tbody .badge").all_text_contents()) == {"Negative"}
    page.page.get_by_role("button", name="Without an answer").click()
    expect(page.find("tbody tr")).to_have_count(1)
    expect(page.find("tbody tr")).to_contain_text("the text is empty")


def test_quotes_line_ends_and_short_rows_of_a_table_are_kept(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.choose(write(tmp_path / "a.tsv", TSV))
    expect(page.find("#column")).to_have_value("1")
    expect(page.find("#preview li").first).to_have_text('Lovely, "truly" lovely')
    page.find("#start").click()
    content = page.download().path().read_bytes()
    assert content.decode().startswith("id\tbody\tlabel\t")
    rows = read_csv(content, "\t")
    assert [row[0] for row in rows] == ["id", "1", "2", "3"]
    assert rows[1][1] == 'Lovely, "truly"\nlovely'
    assert rows[1][2] == "positive"
    assert rows[3][1:3] == ["", ""]
    assert rows[3][-1] == "the text is empty"


def test_json_lines_keep_what_they_hold(visit: Open, tmp_path: Path) -> None:
    lines = (
        '{"id": 12345678901234567890, "review": "Lovely"}\n\n{"review": "太差了", "label": 1.0}\n'
    )
    page = visit()
    page.choose(write(tmp_path / "a.jsonl", lines))
    expect(page.find("#column option:checked")).to_have_text("review")
    page.find("#start").click()
    download = page.download()
    assert download.suggested_filename == "a-sentiment.jsonl"
    first, second = download.path().read_text().splitlines()
    assert first.startswith('{"id": 12345678901234567890, "review": "Lovely", ')
    assert json.loads(first)["sentiment_label"] == "positive"
    assert json.loads(second)["sentiment_label"] == "negative"
    assert json.loads(second)["label"] == 1.0


def test_plain_text_has_a_text_on_each_line(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.answer_file(write(tmp_path / "a.txt", "Lovely, really\r\n\r\n太差了\r\n"))
    rows = read_csv(page.download().path().read_bytes())
    assert [row[:2] for row in rows] == [
        ["text", "label"],
        ["Lovely, really", "positive"],
        ["太差了", "negative"],
    ]


def test_chinese_of_an_older_encoding_is_read(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.choose(write(tmp_path / "a.csv", "编号;评论\n1;味道很好\n2;太差了\n".encode("gb18030")))
    expect(page.find("#encoding")).to_have_value("gb18030")
    expect(page.find("#preview li")).to_have_text(["味道很好", "太差了"])
    page.find("#start").click()
    content = page.download().path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert read_csv(content[3:], ";")[2][:3] == ["2", "太差了", "negative"]


def test_encoding_column_and_header_can_be_chosen(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.choose(write(tmp_path / "a.csv", "café,1\nnaïve,2\n".encode("windows-1252")))
    page.page.get_by_label("Encoding").select_option("windows-1252")
    page.page.get_by_label("The first row names the columns").uncheck()
    expect(page.find("#rows")).to_have_text("2 rows")
    page.page.get_by_label("Column of texts").select_option("Column 1")
    expect(page.find("#preview li")).to_have_text(["café", "naïve"])


def test_a_wrong_encoding_is_refused_until_a_right_one_is_chosen(
    visit: Open, tmp_path: Path
) -> None:
    page = visit()
    page.choose(write(tmp_path / "a.csv", "text\n味道很好\n".encode("gb18030")))
    page.page.get_by_label("Encoding").select_option("utf-8")
    expect(page.find("#file-problem")).to_contain_text("cannot be read as UTF-8")
    expect(page.find("#start")).to_be_disabled()
    page.button("中文").click()
    expect(page.find("#file-problem")).to_contain_text("无法按 UTF-8 读取文件")
    page.find("#encoding").select_option("gb18030")
    expect(page.find("#file-problem")).to_be_hidden()
    expect(page.find("#start")).to_be_enabled()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ods", b"PK", "as XLSX"),
        ("a.xlsx", b"PK", "could not be read"),
        ("a.pdf", b"%PDF-1.7\n\0\n", "neither a table nor text"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"text\n", "no rows"),
        ("a.jsonl", b'{"text": "good"}\nnothing\n', "Line 2 is no JSON object"),
        ("a.jsonl", b'{"id": 1}\n', "No column"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(
    visit: Open, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    page = visit()
    page.choose(write(tmp_path / name, content))
    expect(page.find("#file-problem")).to_contain_text(message)
    expect(page.find("#file-panel")).to_be_hidden()


def test_a_file_can_be_dropped(visit: Open) -> None:
    page = visit()
    page.page.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["text\\nLovely\\n"], "dropped.csv"));
          const drop = { dataTransfer: transfer, bubbles: true, cancelable: true };
          document.querySelector("h1").dispatchEvent(new DragEvent("drop", drop));
        }"""
    )
    expect(page.find("#file-panel h3").first).to_contain_text("dropped.csv")


def test_a_file_can_be_stopped_and_gone_on_with(visit: Open, reviews: Path) -> None:
    page = visit()
    held: list[Route] = []
    answered: list[str] = []

    def answer_one(route: Route) -> None:
        if answered:
            held.append(route)
        else:
            answered.append(route.request.post_data or "")
            route.continue_()

    page.page.route("**/predict", answer_one)
    page.choose(reviews)
    page.find("#start").click()
    expect(page.find(".state")).to_contain_text("64 of 200 rows")
    expect(page.find("progress")).to_have_js_property("value", 64)
    page.button("Stop").click()
    expect(page.find(".state")).to_contain_text("Stopped after")
    page.page.unroute("**/predict")
    page.button("Go on").click()
    expect(page.find(".state")).to_contain_text("200 rows read")
    assert len(read_csv(page.download().path().read_bytes())) == 201


def test_a_busy_service_is_waited_for(visit: Open, reviews: Path) -> None:
    page = visit()
    page.refusals_expected = True
    error = {"error": {"type": "overloaded", "message": "the queue is full"}}
    busy = {"status": 429, "headers": {"retry-after": "1"}, "json": error}
    page.page.route("**/predict", lambda route: route.fulfill(**busy), times=3)
    page.choose(reviews)
    page.find("#start").click()
    expect(page.find(".state")).to_contain_text("The service is busy; going on in 1 s.")
    expect(page.find(".state")).to_contain_text("200 rows read")


def test_a_service_that_fails_ends_it_and_what_is_there_stays(visit: Open, reviews: Path) -> None:
    page = visit()
    page.refusals_expected = True
    page.page.route("**/predict", lambda route: route.abort())
    page.page.clock.install()
    page.choose(reviews)
    page.find("#start").click()
    problem = page.find(".job .problem")
    wait_until(lambda: page.page.clock.run_for(1000) or problem.is_visible(), "the last try")
    expect(problem).to_contain_text("cannot be reached")
    page.page.unroute("**/predict")
    page.button("Go on").click()
    wait_until(lambda: page.page.clock.run_for(1000) or problem.is_hidden(), "going on")
    expect(page.find(".state")).to_contain_text("200 rows read")


def make_book(path: Path, rows: list[list[Any]], *, streamed: bool = False) -> Path:
    """A workbook with a second sheet; `streamed` has each text in its cell."""
    book = Workbook(write_only=streamed)
    for name, content in (("reviews", rows), ("other", [["kept"]])):
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    if not streamed:
        del book["Sheet"]
    book.save(path)
    return path


def test_a_spreadsheet_is_shown_like_any_table_and_comes_back_as_one(
    visit: Open, tmp_path: Path
) -> None:
    rows: list[list[Any]] = [
        ["id", "评论"],
        [1, "味道很好"],
        [2, "太差了"],
        [],
        [4, "=1"],
        [5, "好吃"],
    ]
    page = visit()
    page.choose(make_book(tmp_path / "评论.xlsx", rows))
    expect(page.find("#column option:checked")).to_have_text("评论")
    expect(page.find("#preview li").first).to_have_text("味道很好")
    page.find("#start").click()
    expect(page.find(".state")).to_have_text("5 rows read; 2 of them could not be answered.")
    expect(page.find(".chart")).to_be_visible()
    expect(page.find(".extremes li").first).to_contain_text("好")
    assert page.violations() == []
    download = page.download()
    assert download.suggested_filename == "评论-sentiment.xlsx"
    book = load_workbook(io.BytesIO(download.path().read_bytes()))
    assert book.sheetnames == ["reviews", "other"]
    answered = list(book["reviews"].values)
    assert [row[:3] for row in answered] == [
        ("id", "评论", "label"),
        (1, "味道很好", "positive"),
        (2, "太差了", "negative"),
        (None, None, None),
        (4, "=1", None),
        (5, "好吃", "positive"),
    ]


def test_a_spreadsheet_that_the_service_refuses_is_said_to_be(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.refusals_expected = True
    page.answer_file(make_book(tmp_path / "a.xlsx", [["text", "text"], ["good", "bad"]]))
    page.button("Download the file with the answers").click()
    expect(page.find(".job .problem")).to_contain_text("there are 2 columns 'text'")
    expect(page.button("Download the file with the answers")).to_be_enabled()


@pytest.mark.parametrize("streamed", [False, True])
def test_cells_of_a_spreadsheet_are_read_as_texts(
    visit: Open, tmp_path: Path, streamed: bool
) -> None:
    rows: list[list[Any]] = [["a", None, "c"], [1.5, "=2+2", "x <&> \n 😀"], [True, "y"], []]
    path = make_book(tmp_path / "a.xlsx", [*rows, ["=1", None, "z"]], streamed=streamed)
    found = visit().run_module(
        "workbook",
        "const book = await module.openWorkbook(new Uint8Array(argument));"
        "const cells = (row) => book.names.map((_, column) => book.cell(row, column));"
        "return [book.names, ...Array.from({ length: book.length }, (_, row) => cells(row))];",
        list(path.read_bytes()),
    )
    assert found == [["a", "c"], ["1.5", "x <&> \n 😀"], ["1", ""], ["", ""], ["", "z"]]


def test_a_long_row_is_refused_alone(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.refusals_expected = True
    rows = "text\nLovely\n" + "long " * 30_000 + "\n太差了\n"
    page.answer_file(write(tmp_path / "a.csv", rows))
    shown = page.find("tbody tr").nth(1).bounding_box()
    assert shown
    assert shown["height"] < 300
    _, first, long, last = page.download().path().read_text().splitlines()
    assert first.startswith("Lovely,positive,")
    assert ',,,,,,"the text has 150000 characters, the limit is 131072' in long
    assert last.startswith("太差了,negative,")
