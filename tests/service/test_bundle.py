from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    label_set_key,
    read_bundle,
)
from service.errors import BundleError

Change = Callable[[dict[str, Any]], object]


def rewrite(bundle: Path, change: Change) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    change(manifest)
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")


def test_read_bundle_gives_the_bytes_that_were_hashed(bundle_path: Path) -> None:
    bundle = read_bundle(bundle_path)
    assert bundle.model == (bundle_path / MODEL_FILE).read_bytes()
    assert bundle.tokenizer == (bundle_path / TOKENIZER_FILE).read_bytes()
    assert bundle.manifest.labels == ("negative", "neutral", "positive")


def test_read_bundle_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere: no such bundle folder"):
        read_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE])
def test_read_bundle_names_a_missing_file(bundle_path: Path, name: str) -> None:
    (bundle_path / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: cannot be read \(No such file"):
        read_bundle(bundle_path)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_read_bundle_refuses_a_half_written_file(bundle_path: Path, name: str) -> None:
    content = (bundle_path / name).read_bytes()
    (bundle_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=f"{name}: its SHA-256 is not the one"):
        read_bundle(bundle_path)


def test_read_bundle_refuses_one_flipped_bit(bundle_path: Path) -> None:
    content = bytearray((bundle_path / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(BundleError, match=f"{MODEL_FILE}: its SHA-256"):
        read_bundle(bundle_path)


def test_read_bundle_refuses_half_a_manifest(bundle_path: Path) -> None:
    manifest = bundle_path / MANIFEST_FILE
    manifest.write_text(manifest.read_text(encoding="utf-8")[:200], encoding="utf-8")
    with pytest.raises(BundleError, match=f"{MANIFEST_FILE}: Invalid JSON"):
        read_bundle(bundle_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(schema_version=2), "schema_version"),
        (lambda m: m.update(labels=["only"]), "labels"),
        (lambda m: m.update(labels=["a", "a", "b"]), "labels repeat"),
        (lambda m: m.update(max_tokens=0), "max_tokens"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m.update(golden=[]), "golden"),
        (lambda m: m["golden"][0]["scores"].pop("neutral"), "other labels"),
        (lambda m: m["files"].pop("model.onnx"), "files lacks model.onnx"),
        (lambda m: m["files"].update({"../../etc/passwd": "0"}), "outside the bundle"),
        (lambda m: m["calibration"].update(x=0), "temperature"),
        (lambda m: m["onnx"].update(opset=22), "onnx.opset"),
        (lambda m: m["onnx"].update(ids_dtype="int64"), "onnx.ids_dtype"),
    ],
)
def test_read_bundle_refuses_a_manifest_that_breaks_the_contract(
    bundle_path: Path, change: Change, reason: str
) -> None:
    rewrite(bundle_path, change)
    with pytest.raises(BundleError, match=f"{MANIFEST_FILE}.*{reason}"):
        read_bundle(bundle_path)


def test_temperature_is_that_of_the_whole_label_set(bundle_path: Path) -> None:
    assert read_bundle(bundle_path).manifest.temperature == 1.5
    rewrite(bundle_path, lambda m: m.update(calibration={"negative|positive": 3.0}))
    assert read_bundle(bundle_path).manifest.temperature == 1.0


def test_label_set_key_keeps_the_order() -> None:
    assert label_set_key(("b", "a")) == "b|a"
