"""uvicorn, run so that it stops in good order."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from copy import deepcopy
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from service.app import create_app
from service.model import Model
from service.settings import Settings


def run_server(settings: Settings, models: Mapping[str, Model]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered before it returns."""
    config = uvicorn.Config(
        create_app(settings, models),
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        log_level=settings.log_level,
        log_config=configure_logging(),
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        server_header=False,
        ws="none",
        lifespan="on",
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_quietly)
    uvicorn.Server(config).run()


def configure_logging() -> dict[str, Any]:
    """uvicorn's logging, with the service's own loggers in the same format."""
    config: dict[str, Any] = deepcopy(LOGGING_CONFIG)
    config["loggers"]["service"] = {"handlers": ["default"], "propagate": False}
    return config


def _exit_quietly(number: int, frame: FrameType | None) -> None:
    # uvicorn raises the signal that stopped it once more when it is done: that is success.
    sys.exit(0)
