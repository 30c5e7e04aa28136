"""uvicorn in each serving process, run so that it stops in good order."""

from __future__ import annotations

import asyncio
import gc
import logging.config
import socket
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.engine import CUDA
from service.heartbeat import Heartbeats
from service.logs import configure_logging
from service.metrics import Metrics, open_metrics_folder
from service.model import Model
from service.pipeline import count_processes
from service.settings import Settings
from service.supervisor import exit_on_signals, listen, supervise
from service.tracing import check_tracing

logger = logging.getLogger(__name__)


def run_server(settings: Settings, models: Mapping[str, Model]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered before it returns.

    The models are opened once and shared by the processes that fork from this one. Raises
    ServerError when the address cannot be had or the processes keep dying, MetricsError when
    nothing can be written anywhere, TracingError when traces are wanted that cannot be sent.
    """
    check_tracing(settings.otlp_endpoint)
    logging.config.dictConfig(configure_logging(settings.log_format, settings.log_level))
    exit_on_signals()  # and do not leave the folder behind
    with open_metrics_folder() as folder:
        _run(settings, models, folder)


def _run(settings: Settings, models: Mapping[str, Model], folder: Path) -> None:
    count = count_processes(settings, models)
    sockets = listen(settings.host, settings.port, count)
    heartbeats = Heartbeats(count)
    on_cuda = any(model.engine.provider == CUDA for model in models.values())
    address = "{}:{}".format(*sockets[0].getsockname())

    def work(slot: int, sock: socket.socket) -> None:
        # The threads of an engine do not survive a fork: then each process opens its own.
        shared = models if settings.engine_threads == 1 or on_cuda else None
        app = create_app(settings, shared, heartbeats, slot, Metrics(folder, slot))
        _serve(settings, app, sock)

    logger.info("running on http://%s with %d processes", address, count)
    if on_cuda:
        work(0, sockets[0])  # CUDA does not survive a fork
        return
    gc.freeze()  # what is here now stays in memory that the processes share
    supervise(work, sockets, heartbeats, settings.hang_timeout_s, settings.shutdown_timeout_s)
    logger.info("stopped")


def _serve(settings: Settings, app: FastAPI, sock: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        root_path=settings.root_path,
        log_level=settings.log_level,
        log_config=configure_logging(settings.log_format, settings.log_level),
        access_log=False,  # the service writes its own, without what follows a `?`
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
        server_header=False,
        ws="none",
        lifespan="on",
    )
    exit_on_signals()  # uvicorn raises the one that stopped it again when it is done
    _Server(config, app.state.stopping).run(sockets=[sock])


class _Server(uvicorn.Server):
    """Tells the application at once that it is to stop, so that streams come to an end."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)
