from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from service.bundle import MODEL_FILE, TOKENIZER_FILE, sha256
from service.errors import BundleError
from service.model import Model, open_model
from tests.service.test_bundle import rewrite
from tests.tiny import build_graph


def replace(bundle: Path, name: str, content: bytes) -> None:
    """Swap a file and its hash, as someone would who knows the format."""
    (bundle / name).write_bytes(content)
    rewrite(bundle, lambda manifest: manifest["files"].update({name: sha256(content)}))


def test_open_model_takes_a_good_bundle(bundle_path: Path) -> None:
    assert open_model(bundle_path).manifest.name == "tiny"


def test_open_model_refuses_other_weights_with_a_matching_hash(
    bundle_path: Path, models_dir: Path
) -> None:
    replace(bundle_path, MODEL_FILE, (models_dir / "other" / MODEL_FILE).read_bytes())
    with pytest.raises(BundleError, match=r"golden text .* gives negative"):
        open_model(bundle_path)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE])
def test_open_model_names_the_bundle_and_the_file_that_is_nonsense(
    bundle_path: Path, name: str
) -> None:
    replace(bundle_path, name, b"nonsense")
    with pytest.raises(BundleError) as caught:
        open_model(bundle_path)
    assert str(bundle_path) in str(caught.value)
    assert name in str(caught.value)


def test_open_model_refuses_a_graph_with_other_classes(
    bundle_path: Path, tokenizer_model: bytes
) -> None:
    replace(bundle_path, MODEL_FILE, build_graph(400, classes=2))
    with pytest.raises(BundleError, match=r"shape \(1, 2\), the manifest has 3 labels"):
        open_model(bundle_path)


def test_open_model_refuses_a_graph_for_a_smaller_vocabulary(bundle_path: Path) -> None:
    replace(bundle_path, MODEL_FILE, build_graph(vocab_size=10))
    with pytest.raises(BundleError, match="does not run"):
        open_model(bundle_path)


def test_open_model_refuses_a_tokenizer_with_other_special_pieces(bundle_path: Path) -> None:
    rewrite(bundle_path, lambda manifest: manifest.update(unk_id=3))
    with pytest.raises(BundleError, match="the tokenizer has pad 0 and unk 1"):
        open_model(bundle_path)


def test_open_model_works_wherever_the_bundle_lies(models_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(models_dir / "default", tmp_path / "模型 1")
    assert open_model(copy).manifest.name == "tiny"


def test_many_texts_come_back_in_their_order(model: Model) -> None:
    texts = [[7] * length for length in (9, 1, 30, 4)]
    expected = np.concatenate([model.logits([text]) for text in texts])
    assert model.logits_of_many(texts).tobytes() == expected.tobytes()
