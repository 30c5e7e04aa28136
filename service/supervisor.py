"""Several serving processes, and one that watches over them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from service.errors import SentimentError
from service.heartbeat import Heartbeats

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.5
QUICK_DEATH_S = 2.0
MAX_QUICK_DEATHS = 5
KILL_AFTER_S = 2.0  # beyond what a process is given to answer what is in flight
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}

Work = Callable[[int, socket.socket], None]
"""Serve on a socket, as the process of a slot, until told to stop."""


class ServerError(SentimentError):
    """The server cannot start, or its processes keep dying."""


@dataclass
class _Slot:
    number: int
    socket: socket.socket
    pid: int = 0
    started_s: float = 0.0
    quick_deaths: int = field(default=0)


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """One listening socket per process on the same address; the kernel spreads connections.

    Raises ServerError when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Without sharing first: else a second server would quietly take half the requests.
        with socket.create_server((host, port), family=family) as probe:
            port = probe.getsockname()[1]
        return [
            socket.create_server((host, port), family=family, backlog=2048, reuse_port=True)
            for _ in range(count)
        ]
    except OSError as error:
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def supervise(
    work: Work,
    sockets: list[socket.socket],
    heartbeats: Heartbeats,
    hang_timeout_s: float,
    stop_timeout_s: float,
) -> None:
    """Run `work` in a forked process per socket until SIGTERM or SIGINT, then stop them all.

    A process that dies or falls silent for `hang_timeout_s` is replaced; its socket stays
    open meanwhile, so that new connections wait instead of being refused. Raises
    ServerError when one keeps dying at its start.
    """
    slots = [_Slot(number, sock) for number, sock in enumerate(sockets)]
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        for slot in slots:
            _start(slot, work, heartbeats)
        while True:
            received = signal.sigtimedwait(WATCHED, CHECK_EVERY_S)
            if received and received.si_signo != signal.SIGCHLD:
                return
            for slot in slots:
                _look_after(slot, work, heartbeats, hang_timeout_s)
    finally:
        for slot in slots:
            slot.socket.close()  # else new connections would wait for nobody
        _stop(slots, stop_timeout_s)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


def _start(slot: _Slot, work: Work, heartbeats: Heartbeats) -> None:
    heartbeats.beat(slot.number)
    slot.started_s = time.monotonic()
    slot.pid = os.fork()
    if slot.pid == 0:
        _run_child(slot, work)


def _run_child(slot: _Slot, work: Work) -> None:
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        work(slot.number, slot.socket)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        logger.exception("a serving process failed")
    finally:
        os._exit(status)  # what the parent set up is not the child's to tear down


def _look_after(slot: _Slot, work: Work, heartbeats: Heartbeats, hang_timeout_s: float) -> None:
    if heartbeats.silent_s(slot.number) > hang_timeout_s:
        logger.critical("process %d is silent for over %g s: killed", slot.pid, hang_timeout_s)
        os.kill(slot.pid, signal.SIGKILL)
    pid, status = os.waitpid(slot.pid, os.WNOHANG)
    if pid == 0:
        return
    code = os.waitstatus_to_exitcode(status)
    logger.error("process %d ended with status %d: starting another", pid, code)
    quick = time.monotonic() - slot.started_s < QUICK_DEATH_S
    slot.quick_deaths = slot.quick_deaths + 1 if quick else 0
    if slot.quick_deaths >= MAX_QUICK_DEATHS:
        slot.pid = 0
        raise ServerError(f"a process ended {slot.quick_deaths} times right after its start")
    _start(slot, work, heartbeats)


def _stop(slots: list[_Slot], stop_timeout_s: float) -> None:
    running = {slot.pid for slot in slots if slot.pid}
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    deadline_s = time.monotonic() + stop_timeout_s + KILL_AFTER_S
    while running:
        for pid in list(running):
            if os.waitpid(pid, os.WNOHANG)[0]:
                running.discard(pid)
        if running and time.monotonic() > deadline_s:
            for pid in running:
                os.kill(pid, signal.SIGKILL)
        elif running:
            signal.sigtimedwait({signal.SIGCHLD}, CHECK_EVERY_S)
