"""uvicorn in each serving process, run so that it stops in good order."""

from __future__ import annotations

import gc
import logging.config
import signal
import socket
import sys
from collections.abc import Mapping
from copy import deepcopy
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from service.app import create_app
from service.engine import CUDA
from service.heartbeat import Heartbeats
from service.model import Model
from service.pipeline import count_processes
from service.settings import Settings
from service.supervisor import listen, supervise

logger = logging.getLogger(__name__)


def run_server(settings: Settings, models: Mapping[str, Model]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered before it returns.

    The models are opened once and shared by the processes that fork from this one. Raises
    ServerError when the address cannot be had or the processes keep dying.
    """
    logging.config.dictConfig(configure_logging())
    count = count_processes(settings, models)
    sockets = listen(settings.host, settings.port, count)
    heartbeats = Heartbeats(count)
    address = "{}:{}".format(*sockets[0].getsockname())

    def work(slot: int, sock: socket.socket) -> None:
        _serve(settings, models, sock, heartbeats, slot)

    logger.info("running on http://%s with %d processes", address, count)
    if any(model.engine.provider == CUDA for model in models.values()):
        work(0, sockets[0])  # CUDA does not survive a fork
        return
    gc.freeze()  # what is here now stays in memory that the processes share
    supervise(work, sockets, heartbeats, settings.hang_timeout_s, settings.shutdown_timeout_s)
    logger.info("stopped")


def configure_logging() -> dict[str, Any]:
    """uvicorn's logging, with the service's own loggers in the same format."""
    config: dict[str, Any] = deepcopy(LOGGING_CONFIG)
    config["disable_existing_loggers"] = False
    config["loggers"]["service"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config


def _serve(
    settings: Settings,
    models: Mapping[str, Model],
    sock: socket.socket,
    heartbeats: Heartbeats,
    slot: int,
) -> None:
    config = uvicorn.Config(
        create_app(settings, models, heartbeats, slot),
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
    uvicorn.Server(config).run(sockets=[sock])


def _exit_quietly(number: int, frame: FrameType | None) -> None:
    # uvicorn raises the signal that stopped it once more when it is done: that is success.
    sys.exit(0)
