"""A Docker client that reaches an engine, and the compose that goes with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Names an executable that makes an engine, and the base image, where no registry is.
BASE_IMAGE_TOOL = "SENTIMENT_BASE_IMAGE_TOOL"
COMMAND_TIMEOUT_S = 1200


@dataclass(frozen=True)
class Docker:
    """A client and its compose, run with `env`; a failing command raises with what it said."""

    client: str
    compose: tuple[str, ...]
    env: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """`docker ARGUMENTS`; returns what it printed."""
        return self._execute(self.client, *arguments)

    def run_compose(self, *arguments: str) -> str:
        """`docker compose ARGUMENTS`, or docker-compose's; returns what it printed."""
        return self._execute(*self.compose, *arguments)

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads(self.run("inspect", name))
        return found[0]

    def _execute(self, *command: str) -> str:
        done = _execute(command, self.env)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()


def find_docker() -> Docker | None:
    """The first client on PATH that reaches an engine and has a compose; None without one."""
    tool = os.environ.get(BASE_IMAGE_TOOL)
    if tool:
        done = _execute((tool,), os.environ)
        assert done.returncode == 0, f"{tool}:\n{done.stdout}{done.stderr}"
    for client in _list_on_path("docker"):
        compose = _find_compose(client)
        if compose and _succeeds(client, "info"):
            return Docker(client, compose, _environment(client, stand_in=bool(tool)))
    return None


def _environment(client: str, stand_in: bool) -> dict[str, str]:
    # docker-compose calls the `docker` that it finds first.
    path = os.pathsep.join([str(Path(client).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path}
    if stand_in:  # BuildKit would ask a registry about an image that is only here
        env["DOCKER_BUILDKIT"] = "0"
    return env


def _find_compose(client: str) -> tuple[str, ...] | None:
    if _succeeds(client, "compose", "version"):
        return (client, "compose")
    beside = Path(client).with_name("docker-compose")
    return (str(beside),) if beside.exists() and _succeeds(str(beside), "version") else None


def _list_on_path(name: str) -> Iterator[str]:
    for folder in os.get_exec_path():
        found = shutil.which(name, path=folder)
        if found:
            yield found


def _succeeds(*command: str) -> bool:
    return _execute(command, os.environ).returncode == 0


def _execute(command: tuple[str, ...], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
