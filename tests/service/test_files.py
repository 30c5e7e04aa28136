"""POST /predict/file."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.model import Model
from service.settings import Settings
from tests.service.faulty import QUEUE_TEXTS, TEXT, FaultyServer
from tests.service.serving import wait_until

CSV = 'id,review\r\n1,"Great, ""really"""\r\n2,\r\n3,味道很差\r\n'
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PATH = "/predict/file?column=review"


def post(client: TestClient, content: bytes, content_type: str, path: str = PATH) -> Any:
    return client.post(path, content=content, headers={"content-type": content_type})


def cell(prediction: Any) -> str:
    """The added cells of a prediction."""
    scores = [prediction["scores"][name] for name in ("negative", "neutral", "positive")]
    return ",".join(map(str, [prediction["label"], prediction["score"], *scores, ""]))


def test_csv_comes_back_with_the_answers_of_predict(client: TestClient) -> None:
    texts = ['Great, "really"', "味道很差"]
    body = {"inputs": texts, "model": "other"}
    first, last = client.post("/predict", json=body).json()["predictions"]
    answer = post(client, CSV.encode(), "text/csv; charset=utf-8", f"{PATH}&model=other")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = CSV.splitlines()
    assert answer.text.split("\r\n") == [
        f"{lines[0]},label,score,score_negative,score_neutral,score_positive,error",
        f"{lines[1]},{cell(first)}",
        f"{lines[2]},,,,,,the text is empty",
        f"{lines[3]},{cell(last)}",
        "",
    ]


def test_a_form_sends_a_file_by_its_name(client: TestClient) -> None:
    content = "id;review\n1;好\n".encode("gbk")
    upload = {"file": ("评论 1.CSV", content, "application/vnd.ms-excel")}
    answer = client.post(f"{PATH}&encoding=gb18030", files=upload)
    assert answer.content.startswith("id;review;label;".encode("gbk"))
    assert answer.headers["content-type"] == "text/csv; charset=gb18030"
    assert "filename*=utf-8''%E8%AF%84%E8%AE%BA%201.CSV" in answer.headers["content-disposition"]


def test_tsv_and_json_lines_come_back(client: TestClient) -> None:
    tsv = post(client, b"review\tid\ngood\t1\n", "text/tab-separated-values").text
    assert tsv.startswith("review\tid\tlabel\tscore\t")
    line = json.loads(post(client, b'{"id": 1, "review": "good"}\n', "application/x-ndjson").text)
    assert (line["id"], line["label"] in line["scores"]) == (1, True)


def test_xlsx_comes_back(client: TestClient) -> None:
    workbook, file = openpyxl.Workbook(), io.BytesIO()
    workbook.active.append(["review"])
    for number in range(600):
        workbook.active.append([f"good {number}"])
    workbook.save(file)
    answer = post(client, file.getvalue(), XLSX)
    rows = list(openpyxl.load_workbook(io.BytesIO(answer.content)).active.values)
    assert rows[0][:3] == ("review", "label", "score")
    assert [row[0] for row in rows[1:]] == [f"good {number}" for number in range(600)]
    assert all(row[2] for row in rows[1:])


@pytest.mark.parametrize(
    ("query", "content_type", "status", "param"),
    [
        ("", "text/csv", 422, "column"),
        ("?column=review&encoding=latin-1", "text/csv", 422, "encoding"),
        ("?column=review&top_k=1", "text/csv", 422, "top_k"),
        ("?column=review&model=gpt", "text/csv", 404, "model"),
        ("?column=review", XLSX, 400, None),
        ("?column=review", "application/vnd.apache.parquet", 415, None),
        ("?column=review", "multipart/form-data", 400, None),
        ("?column=review", "multipart/form-data; boundary=x", 400, None),
    ],
)
def test_a_wrong_file_is_refused(
    client: TestClient, query: str, content_type: str, status: int, param: str | None
) -> None:
    answer = post(client, CSV.encode(), content_type, f"/predict/file{query}")
    assert answer.status_code == status
    assert answer.json()["error"].get("param") == param


def test_the_columns_that_there_are_are_named(client: TestClient) -> None:
    error = post(client, CSV.encode(), "text/csv", "/predict/file").json()["error"]
    assert error["message"] == "there is no column 'text'; the file has: id, review"


def test_an_option_in_the_form_is_refused(client: TestClient) -> None:
    files = {"file": ("reviews.csv", b"review\ngood\n")}
    refused = client.post("/predict/file", files=files, data={"column": "review"})
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == "column"
    assert "query" in refused.json()["error"]["message"]


def test_a_form_without_a_file_is_refused(client: TestClient) -> None:
    answer = client.post(PATH, files={"upload": ("a.csv", b"review\nx\n")})
    assert answer.json()["error"]["param"] == "file"


def test_a_file_has_a_limit_of_its_own(models: dict[str, Model]) -> None:
    settings = Settings(workers=1, max_body_bytes=1024, max_file_bytes=4096)
    with TestClient(create_app(settings, models)) as client:
        assert post(client, b"review\n" + b"good\n" * 500, "text/csv").status_code == 200
        refused = post(client, b"review\n" + b"good\n" * 1000, "text/csv")
        assert refused.status_code == 413
        assert "4096 bytes" in refused.json()["error"]["message"]


def test_a_client_that_leaves_is_dropped_before_its_rows_run(
    models_dir: Path, tmp_path: Path
) -> None:
    settings = {"max_queue_texts": QUEUE_TEXTS, "hang_timeout_s": 60}
    content = b"text\n" + f"{TEXT}\n".encode() * 50
    head = "POST /predict/file HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\n"
    with FaultyServer(models_dir, tmp_path, **settings) as server:
        wait_until(server.is_ready, "readiness")
        before = server.runs()
        with server.busy():
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                server.wait_for(429, [TEXT] * (QUEUE_TEXTS // 2 + 1))
            server.wait_for(504, [TEXT] * QUEUE_TEXTS)
        server.predict(TEXT)
        assert server.runs() == before + 2
