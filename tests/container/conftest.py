"""The service, built and started by compose as its user would, once for all the tests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.container.docker import BASE_IMAGE_TOOL, Docker, find_docker
from tests.container.stack import Stack
from tests.live import find_free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def docker() -> Docker:
    found = find_docker()
    if found is None:
        pytest.skip("no Docker engine with a compose can be had here")
    return found


@pytest.fixture(scope="session")
def stack(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """docker-compose.yml, up, under a project, an image name and a port of its own."""
    project = f"sentiment-test-{os.getpid()}"
    port = find_free_port()
    env = {**docker.env, "SENTIMENT_PUBLISHED_PORT": str(port)}
    override = tmp_path_factory.mktemp("compose") / "override.json"
    override.write_text(json.dumps({"services": {"sentiment": _override(project)}}))
    compose = (
        *docker.compose,
        *("--project-name", project, "--project-directory", str(ROOT)),
        *("--file", str(ROOT / "docker-compose.yml"), "--file", str(override)),
    )
    docker = replace(docker, compose=compose, env=env)
    try:
        docker.run_compose("up", "--detach", "--build")
        containers = docker.run_compose("ps", "--quiet").split()
        assert len(containers) == 1, "up without a profile starts the service, and it only"
        stack = Stack(docker, containers[0], f"http://127.0.0.1:{port}")
        stack.wait_until_ready()
        yield stack
    finally:
        docker.run_compose("down", "--volumes", "--rmi", "all", "--remove-orphans")


def _override(image: str) -> dict[str, object]:
    # Beside a stand-in base image there is a registry for pip only on the host's network.
    build = {"network": "host"} if os.environ.get(BASE_IMAGE_TOOL) else {}
    return {"image": image, "build": build}
