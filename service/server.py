"""uvicorn in each serving process, run so that it stops in good order."""

from __future__ import annotations

import gc
import logging.config
import socket
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from service.app import create_app
from service.engine import CUDA
from service.heartbeat import Heartbeats
from service.model import Model
from service.pipeline import count_processes
from service.settings import Settings
from service.supervisor import exit_on_signals, listen, supervise

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
    on_cuda = any(model.engine.provider == CUDA for model in models.values())
    address = "{}:{}".format(*sockets[0].getsockname())

    def work(slot: int, sock: socket.socket) -> None:
        # The threads of an engine do not survive a fork: then each process opens its own.
        shared = models if settings.engine_threads == 1 or on_cuda else None
        _serve(settings, shared, sock, heartbeats, slot)

    logger.info("running on http://%s with %d processes", address, count)
    if on_cuda:
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
    models: Mapping[str, Model] | None,
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
    exit_on_signals()  # uvicorn raises the one that stopped it again when it is done
    uvicorn.Server(config).run(sockets=[sock])
