"""What a classifier starts from: a language model of `pretrain`, or the network of a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from service.bundle import MANIFEST_FILE, MODEL_FILE, Bundle, sha256
from training.checkpoint import BEST_FILE, load
from training.config import RunConfig, bundle_at_start
from training.errors import ConfigError, TrainingError
from training.export import read_network
from training.model import Classifier

SHAPE = (
    *("cell", "embedding_size", "hidden_size", "proj_size", "layers"),
    *("bidirectional", "backward"),
)
"""What a classifier must have in common with what it starts from."""
SHARED = ("embedding.", "encoder.")


@dataclass(frozen=True)
class Start:
    """Weights, and the tokenizer that they go with."""

    origin: str
    network: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    tokenizer: bytes
    digest: str
    """Changes with the weights."""
    head_of: tuple[object, ...] | None = None
    """Labels and poolings of the head among the weights, None without one."""

    def is_whole(self, model: Classifier, labels: Sequence[str]) -> bool:
        """Whether a classifier of these labels has all its weights from here."""
        return self.head_of == (tuple(labels), model.config.pooling)


def read_start(run: RunConfig) -> Start | None:
    """What `training.start` names: a bundle, without its n-grams, or a language model.

    Raises BundleError for a bundle that cannot be trusted, ExportError for one in int8, and
    TrainingError where there is neither.
    """
    if run.training.start is None:
        return None
    bundle = bundle_at_start(run)
    return _bundle(bundle) if bundle else read_pretrained(Path(run.training.start))


def read_pretrained(folder: Path) -> Start:
    """The language model in a folder, finished or stopped. Raises TrainingError without one."""
    path = folder / BEST_FILE
    if not path.exists():
        raise TrainingError(
            f"training.start: {folder} holds no bundle (no {MANIFEST_FILE}) and no language "
            f"model (no {BEST_FILE})"
        )
    state = load(path)
    if "network" not in state:
        raise TrainingError(f"{path} is of a classifier, not of a language model")
    weights = {name: w for name, w in state["model"].items() if name.startswith(SHARED)}
    tokenizer = bytes(state["tokenizer"].numpy())
    origin = f"the language model {folder}"
    return Start(origin, state["network"], weights, tokenizer, sha256(path.read_bytes()))


def _bundle(bundle: Bundle) -> Start:
    network, manifest = read_network(bundle), bundle.manifest
    network.ngrams = None
    return Start(
        origin=f"the bundle {bundle.path} ({manifest.name} {manifest.version})",
        network={field: asdict(network.config)[field] for field in SHAPE},
        weights=network.state_dict(),
        tokenizer=bundle.tokenizer,
        digest=manifest.files[MODEL_FILE],
        head_of=(manifest.labels, network.config.pooling),
    )


def start_from(start: Start, model: Classifier, labels: Sequence[str]) -> str:
    """Load the weights into a classifier of the same tokenizer, and say which they were.

    The head is among them where labels and poolings are the same, otherwise it stays as drawn.
    Raises ConfigError, naming the field, where its shape is another.
    """
    for field, value in start.network.items():
        if (own := getattr(model.config, field)) != value:
            raise ConfigError(f"model.{field} is {own!r}, and {value!r} in {start.origin}")
    whole = start.is_whole(model, labels)
    taken = {n: w for n, w in start.weights.items() if whole or n.startswith(SHARED)}
    model.load_state_dict({**model.state_dict(), **taken})
    return f"{'all weights' if whole else 'embedding and encoder'} of {start.origin}"


def check_share(start: Start, share: float, model: Classifier, labels: Sequence[str]) -> None:
    """Raises ConfigError for a share of a start that does not give a classifier all its weights."""
    if share and not start.is_whole(model, labels):
        raise ConfigError(
            f"training.start_share: the head is not that of {start.origin}, which has other "
            "labels or poolings, or none"
        )


def keep_share(start: Start, share: float, model: Classifier, labels: Sequence[str]) -> None:
    """Draw a fitted classifier back by a share of the way it has come from where it started.

    Raises ConfigError as `check_share` does.
    """
    check_share(start, share, model, labels)
    if not share:
        return
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            weight.lerp_(start.weights[name].to(weight.device), share)
