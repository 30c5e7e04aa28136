"""Several serving processes, and one that watches over them."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from service.errors import SentimentError
from service.heartbeat import Heartbeats

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.5
START_TIMEOUT_S = 60.0
MAX_FAILED_STARTS = 5
KILL_AFTER_S = 2.0  # beyond what a process is given to answer what is in flight
STOPPING = (signal.SIGTERM, signal.SIGINT)
WATCHED = {*STOPPING, signal.SIGCHLD}

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
    failed_starts: int = 0


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
        reason = os.strerror(error.errno or 0)
        raise ServerError(f"cannot listen on {host}:{port}: {reason}") from error


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
    ServerError when one keeps dying before it is up.
    """
    _Supervisor(work, sockets, heartbeats, hang_timeout_s).run(stop_timeout_s)


def exit_on_signals() -> None:
    """End this process with status 0 on SIGTERM or SIGINT, until something else handles them."""
    for number in STOPPING:
        signal.signal(number, _exit_quietly)


def _exit_quietly(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


class _Supervisor:
    """The state of `supervise`."""

    def __init__(
        self,
        work: Work,
        sockets: list[socket.socket],
        heartbeats: Heartbeats,
        hang_timeout_s: float,
    ) -> None:
        self._work = work
        self._slots = [_Slot(number, sock) for number, sock in enumerate(sockets)]
        self._heartbeats = heartbeats
        self._hang_timeout_s = hang_timeout_s
        self._looked_s = time.monotonic()
        self._stopping = False

    def run(self, stop_timeout_s: float) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        for number in STOPPING:  # for when a thread of a library gets what is blocked here
            signal.signal(number, self._note_stop)
        try:
            while not self._stopping:
                for slot in self._slots:
                    self._look_after(slot)
                self._wait(WATCHED)
        finally:
            self._stop(stop_timeout_s)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    def _note_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _wait(self, signals: set[signal.Signals]) -> None:
        received = signal.sigtimedwait(signals, CHECK_EVERY_S)
        # Not "any but SIGCHLD": CPython gives what lies in memory when this process was itself
        # stopped (SIGSTOP, a paused container) and the time is up when it goes on.
        if received and received.si_signo in STOPPING:
            self._stopping = True
        now_s = time.monotonic()
        if now_s - self._looked_s > CHECK_EVERY_S + self._hang_timeout_s:
            # The whole machine or container stood still, not only the processes.
            for slot in self._slots:
                self._heartbeats.beat(slot.number)
        self._looked_s = now_s

    def _look_after(self, slot: _Slot) -> None:
        if slot.pid == 0 or self._is_gone(slot):
            self._start(slot)

    def _start(self, slot: _Slot) -> None:
        self._heartbeats.beat(slot.number)
        slot.started_s = time.monotonic()
        try:
            slot.pid = os.fork()
        except OSError as error:  # no memory or no more processes now: the next look tries again
            logger.critical("cannot start a process: %s", error.strerror)
            return
        if slot.pid == 0:
            self._run_child(slot)

    def _run_child(self, slot: _Slot) -> NoReturn:
        status = 1
        try:
            exit_on_signals()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
            for other in self._slots:
                if other is not slot:
                    other.socket.close()  # else it would outlive its own process
            self._work(slot.number, slot.socket)
            status = 0
        except SystemExit as leaving:
            status = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            logger.exception("a serving process failed")
        finally:
            os._exit(status)  # what the parent set up is not the child's to tear down

    def _is_gone(self, slot: _Slot) -> bool:
        """Reap the process of a slot if it has ended; kill it if it hangs."""
        self._kill_if_silent(slot)
        pid, status = os.waitpid(slot.pid, os.WNOHANG)
        if pid == 0:
            return False
        slot.pid = 0
        logger.error("process %d ended with status %d", pid, os.waitstatus_to_exitcode(status))
        slot.failed_starts = 0 if self._is_up(slot) else slot.failed_starts + 1
        if slot.failed_starts >= MAX_FAILED_STARTS:
            raise ServerError(f"a process ended {slot.failed_starts} times before it was up")
        return True

    def _is_up(self, slot: _Slot) -> bool:
        """Whether the process of a slot has itself shown that it lives."""
        return self._heartbeats.seen_s(slot.number) > slot.started_s

    def _kill_if_silent(self, slot: _Slot) -> None:
        limit_s = self._hang_timeout_s
        if not self._is_up(slot):
            limit_s = max(limit_s, START_TIMEOUT_S)
        if self._heartbeats.silent_s(slot.number) > limit_s:
            logger.critical("process %d is silent for over %g s: killed", slot.pid, limit_s)
            os.kill(slot.pid, signal.SIGKILL)

    def _stop(self, stop_timeout_s: float) -> None:
        for slot in self._slots:
            slot.socket.close()  # else new connections would wait for nobody
        running = [slot for slot in self._slots if slot.pid]
        for slot in running:
            os.kill(slot.pid, signal.SIGTERM)
        deadline_s = time.monotonic() + stop_timeout_s + KILL_AFTER_S
        while running := [slot for slot in running if not os.waitpid(slot.pid, os.WNOHANG)[0]]:
            for slot in running:
                self._kill_if_silent(slot)
                if time.monotonic() > deadline_s:
                    os.kill(slot.pid, signal.SIGKILL)
            self._wait({signal.SIGCHLD})
