from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service import settings as module
from service.settings import Settings, env_name, find_models_dir


def test_settings_have_defaults_for_everything() -> None:
    settings = Settings()
    assert settings.host == "127.0.0.1"
    assert settings.models == ("default",)


def test_settings_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_PORT", "9000")
    monkeypatch.setenv("SENTIMENT_MODELS", "one, two")
    assert (Settings().port, Settings().models) == (9000, ("one", "two"))


def test_settings_prefer_what_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_PORT", "9000")
    assert Settings(port=9001).port == 9001


def test_settings_take_an_empty_variable_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_PORT", "")
    assert Settings().port == 8000


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 65536),
        ("port", "eighty"),
        ("provider", "tpu"),
        ("models", ""),
        ("models", "../secrets"),
        ("models", "a,a"),
        ("max_inputs", 0),
        ("max_tokens", 0),
        ("max_body_bytes", 10),
        ("timeout_ms", 0),
        ("workers", 0),
        ("log_level", "loud"),
        ("root_path", "no-slash"),
    ],
)
def test_settings_refuse_a_value_beyond_its_limit(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**{field: value})  # type: ignore[arg-type]
    assert caught.value.errors()[0]["loc"] == (field,)


def test_every_setting_is_described_and_named_for_the_environment() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert env_name(name) == f"SENTIMENT_{name.upper()}"


def test_models_dir_is_the_one_that_is_set(tmp_path: Path) -> None:
    assert find_models_dir(Settings(models_dir=tmp_path)) == tmp_path


def test_models_dir_is_the_installed_one_when_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "service" / "settings.py"))
    assert find_models_dir(Settings()) == tmp_path / "models"
    (tmp_path / "service" / "models").mkdir(parents=True)
    assert find_models_dir(Settings()) == tmp_path / "service" / "models"
