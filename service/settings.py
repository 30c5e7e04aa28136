"""The settings: one definition, read from the environment and from flags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.engine import Provider
from service.logs import AccessLogged, LogFormat

ENV_PREFIX = "SENTIMENT_"
BUNDLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not BUNDLE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no bundle name: letters, digits and . _ - only")
    if len(set(names)) != len(names):
        raise ValueError(f"a name repeats in {','.join(names)}")
    return names


BundleNames = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_names)
]


class Settings(BaseSettings):
    """What can be set, each as `SENTIMENT_<NAME>` and as a flag of `sentiment serve`.

    Immutable, and passed to whoever needs it. Raises pydantic's ValidationError, naming
    the setting and its limits, for a value that cannot be.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one."
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[^/\s]+)*$",
        description="Path that a proxy strips before it passes requests on, such as /sentiment.",
    )
    models_dir: Path | None = Field(
        default=None,
        description="Folder that holds the bundles, one folder each. "
        "Left out: the one that comes with the service.",
    )
    models: BundleNames = Field(
        default=("default",),
        min_length=1,
        description="Names of the bundles to serve, separated by commas; "
        "the first answers requests that name none.",
    )
    provider: Provider = Field(
        default="auto",
        description="What runs the model: cpu, cuda (refuses to start without it), "
        "or auto, which takes CUDA where it is really there.",
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Serving processes, each with an engine of its own. "
        "Left out: one per CPU, or one on CUDA, where more are no use.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Long engine runs side by side in a process. "
        "Left out: the CPUs shared out among the processes.",
    )
    engine_threads: int = Field(
        default=1, ge=1, le=256, description="Threads within one engine run; workers scale better."
    )
    max_inputs: int = Field(default=1024, ge=1, le=100_000, description="Texts in one request.")
    max_tokens: int = Field(
        default=8192,
        ge=1,
        le=1_000_000,
        description="Tokens of one text; the smaller of this and the bundle's limit holds.",
    )
    max_text_chars: int = Field(
        default=131_072,
        ge=1,
        le=16_777_216,
        description="Characters of one text, before tokenizing.",
    )
    explain_max_words: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Words of a text that `explain` of POST /analyze leaves out one by one; "
        "a text of more is refused.",
    )
    max_body_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=1024**3,
        description="Bytes of a request's body, or of one line of a stream.",
    )
    max_file_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        le=64 * 1024**3,
        description="Bytes of an uploaded file, unpacked; the temporary folder holds it.",
    )
    body_timeout_ms: int = Field(
        default=10_000,
        ge=1,
        le=3_600_000,
        description="Milliseconds without any of a request's body until the request gets 408.",
    )
    stream_idle_ms: int = Field(
        default=300_000,
        ge=1,
        le=86_400_000,
        description="Milliseconds without any of a stream's lines until the stream is ended.",
    )
    max_batch_tokens: int = Field(
        default=8192,
        ge=1,
        le=16_777_216,
        description="Tokens of one engine run, padding included; a longer text runs alone.",
    )
    max_batch_size: int = Field(default=64, ge=1, le=4096, description="Texts in one engine run.")
    max_queue_tokens: int = Field(
        default=1_048_576,
        ge=1,
        le=1024**3,
        description="Tokens that may wait; what would pass it is refused with 429.",
    )
    max_queue_texts: int = Field(
        default=16_384,
        ge=1,
        le=1024**3,
        description="Texts that may wait; what would pass it is refused with 429.",
    )
    cache_texts: int = Field(
        default=0,
        ge=0,
        le=100_000_000,
        description="Texts whose answers each process keeps for when they come again; "
        "0 keeps none. Of the texts themselves nothing is kept.",
    )
    inline_ms: float = Field(
        default=8.0,
        ge=0,
        le=1000,
        description="Milliseconds up to which an engine run is made on the event loop; "
        "longer ones get a thread and hold up nobody.",
    )
    hang_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Seconds after which an engine run counts as hung and its process is replaced.",
    )
    timeout_ms: int = Field(
        default=30_000,
        ge=1,
        le=3_600_000,
        description="Milliseconds until a request that is not answered gets 504; "
        "a request can ask for less by the header X-Request-Timeout-Ms.",
    )
    shutdown_timeout_s: int = Field(
        default=30, ge=0, le=3600, description="Seconds that requests in flight get when stopping."
    )
    log_level: str = Field(
        default="info",
        pattern="^(critical|error|warning|info|debug)$",
        description="Least level logged: critical, error, warning, info or debug.",
    )
    log_format: LogFormat = Field(
        default="text", description="How the log is written: text, or json with an object a line."
    )
    access_log: AccessLogged = Field(
        default="errors",
        description="Requests that get a line in the log: all, errors (status 400 and above) "
        "or none. Never their texts.",
    )
    otlp_endpoint: str = Field(
        default="",
        pattern=r"^(https?://\S+)?$",
        description="Collector that gets OpenTelemetry traces over OTLP/HTTP, such as "
        "http://localhost:4318. Left out: as OTEL_EXPORTER_OTLP_ENDPOINT says, else no traces.",
    )


def env_name(field: str) -> str:
    """The environment variable of a setting: `port` is SENTIMENT_PORT."""
    return f"{ENV_PREFIX}{field.upper()}"


def flag_name(field: str) -> str:
    """The flag of a setting: `models_dir` is --models-dir."""
    return f"--{field.replace('_', '-')}"


def find_models_dir(settings: Settings) -> Path:
    """The folder of bundles: the one set, else the installed one, else the checkout's."""
    if settings.models_dir is not None:
        return settings.models_dir
    package = Path(__file__).resolve().parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"
