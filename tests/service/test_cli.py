from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service import __version__
from service.bundle import MODEL_FILE
from service.cli import app
from service.flags import SettingsError, read_settings
from service.settings import Settings, env_name, flag_name

TINY_QUEUE = {"SENTIMENT_MAX_QUEUE_TOKENS": "10", "SENTIMENT_MAX_INPUTS": "300"}


def run(*args: object, stdin: str | bytes = "", **env: str) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin, env=env)


def test_version() -> None:
    assert run("--version").output == f"{__version__}\n"


def test_help_of_serve_shows_every_setting() -> None:
    text = " ".join(run("serve", "--help").output.split())
    for name in Settings.model_fields:
        assert flag_name(name) in text
        assert env_name(name) in text
    assert "default: 8000" in text


def test_flags_become_settings() -> None:
    settings = read_settings({"port": "9000", "models": "a,b", "host": None})
    assert (settings.port, settings.models, settings.host) == (9000, ("a", "b"), "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("port", "99999", "less than or equal to 65535"),
        ("max_inputs", "many", "valid integer"),
        ("provider", "tpu", "'auto', 'cpu' or 'cuda'"),
        ("models", "a/b", "'a/b' is no bundle name"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(name: str, value: str, reason: str) -> None:
    by_flag = run("serve", flag_name(name), value)
    by_environment = run("serve", **{env_name(name): value})
    for result in (by_flag, by_environment):
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"sentiment: {flag_name(name)} ({env_name(name)}): ")
        assert reason in line
        assert result.stdout == ""


def test_settings_error_names_flag_and_variable() -> None:
    with pytest.raises(SettingsError, match=r"--timeout-ms \(SENTIMENT_TIMEOUT_MS\): .* 1"):
        read_settings({"timeout_ms": "0"})


@pytest.mark.parametrize("verb", [("serve",), ("predict", "good")])
def test_a_broken_bundle_is_one_line_and_exit_code_1(
    bundle_path: Path, verb: tuple[str, ...]
) -> None:
    (bundle_path / MODEL_FILE).write_bytes(b"half")
    result = run(*verb, "--models-dir", bundle_path.parent)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"sentiment: {bundle_path / MODEL_FILE}: its SHA-256")


def test_predict_prints_a_line_of_json_for_each_text(models_dir: Path) -> None:
    result = run("predict", "--models-dir", models_dir, "Great value!", "味道很差", "--top-k", 1)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(line["scores"]) for line in lines] == [1, 1]
    assert all(line["label"] in line["scores"] for line in lines)


def test_predict_reads_lines_from_stdin(models_dir: Path) -> None:
    result = run("predict", "--models-dir", models_dir, "--model", "other", stdin="good\nbad\n")
    assert len(result.stdout.splitlines()) == 2


def test_predict_goes_on_after_a_bad_text_and_exits_1(models_dir: Path) -> None:
    result = run("predict", "--models-dir", models_dir, stdin="good\n\nbad\n")
    assert result.exit_code == 1
    first, empty, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert empty == {"error": {"type": "invalid_input", "message": "the text is empty"}}
    assert "label" in first
    assert "label" in last


def test_predict_names_a_line_that_is_not_utf8(models_dir: Path) -> None:
    result = run("predict", "--models-dir", models_dir, stdin=b"good \xff\nbad\n")
    refused, answered = [json.loads(line) for line in result.stdout.splitlines()]
    assert "position 5" in refused["error"]["message"]
    assert "label" in answered


def test_predict_takes_more_than_a_server_would_queue(models_dir: Path) -> None:
    result = run("predict", "--models-dir", models_dir, stdin="good\n" * 600, **TINY_QUEUE)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 600


def test_predict_cuts_a_long_text_on_demand(models_dir: Path) -> None:
    text = "the room " * 100
    assert run("predict", "--models-dir", models_dir, text).exit_code == 1
    result = run("predict", "--models-dir", models_dir, "--truncate", text)
    assert json.loads(result.stdout)["truncated"] is True
