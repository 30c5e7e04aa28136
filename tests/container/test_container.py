"""The image and docker-compose.yml: built, started and asked for real."""

from __future__ import annotations

import httpx2 as httpx
import pytest
import yaml

from tests.container.stack import Stack

pytestmark = [pytest.mark.container, pytest.mark.timeout(1500)]

MAX_IMAGE_BYTES = 450_000_000
MAX_START_S = 3.0
STARTS = 4  # the machine may be busy: the best of these counts
HEALTHY_TIMEOUT_S = 30.0
TEXTS = ("A lovely little film, warm and funny.", "味道很差,再也不会来了。")


def test_published_port_predicts_in_both_languages(stack: Stack) -> None:
    answer = httpx.post(f"{stack.url}/predict", json={"inputs": TEXTS}, timeout=30)

    assert answer.status_code == 200, answer.text
    labels = [prediction["label"] for prediction in answer.json()["predictions"]]
    assert labels == ["positive", "negative"]


def test_same_text_alone_and_beside_another_scores_the_same(stack: Stack) -> None:
    both = httpx.post(f"{stack.url}/predict", json={"inputs": TEXTS}, timeout=30).json()
    alone = [
        httpx.post(f"{stack.url}/predict", json={"inputs": text}, timeout=30).json()["predictions"]
        for text in TEXTS
    ]

    assert both["predictions"] == [prediction for (prediction,) in alone]


def test_process_is_not_root_and_cannot_become_it(stack: Stack) -> None:
    host = stack.inspect()["HostConfig"]

    assert int(stack.execute("id", "-u")) == 10001
    assert host["CapDrop"] == ["ALL"]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])


def test_root_file_system_is_read_only(stack: Stack) -> None:
    assert stack.inspect()["HostConfig"]["ReadonlyRootfs"]
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.execute("touch", "/opt/venv/written")


def test_memory_cpu_and_processes_are_limited(stack: Stack) -> None:
    host = stack.inspect()["HostConfig"]

    assert host["Memory"] > 0
    assert host["CpuQuota"] > 0
    assert host["PidsLimit"] > 0


def test_image_is_small(stack: Stack) -> None:
    image = stack.docker.inspect(stack.inspect()["Image"])

    print(f"\nimage: {image['Size'] / 1e6:.0f} MB")
    assert image["Size"] <= MAX_IMAGE_BYTES


def test_image_holds_what_serves_and_nothing_else(stack: Stack) -> None:
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    installed = set(stack.execute("python", "-I", "-c", listing).split())

    assert {"sentiment-service", "onnxruntime"} <= installed
    assert installed.isdisjoint({"torch", "onnxruntime-gpu", "pip", "pytest"})


def test_onnxruntime_reports_nothing_to_its_maker(stack: Stack) -> None:
    assert stack.execute("printenv", "ORT_DISABLE_TELEMETRY") == "1"
    assert "telemetry" not in stack.docker.run("logs", stack.container)


def test_ready_within_3_s_of_start(stack: Stack) -> None:
    starts: list[float] = []
    while len(starts) < STARTS and not (starts and min(starts) <= MAX_START_S):
        starts.append(stack.measure_start())

    print(f"\nstart to ready: {', '.join(f'{seconds:.2f}' for seconds in starts)} s")
    assert min(starts) <= MAX_START_S


def test_healthcheck_becomes_healthy(stack: Stack) -> None:
    assert stack.wait_until_checked(HEALTHY_TIMEOUT_S) == "healthy"


def test_sigterm_stops_it_with_exit_code_0(stack: Stack) -> None:
    stack.docker.run("stop", stack.container)
    state = stack.inspect()["State"]
    stack.docker.run("start", stack.container)
    stack.wait_until_ready()

    assert (state["Running"], state["ExitCode"]) == (False, 0)


def test_gpu_profile_reserves_the_device_on_its_own_target(stack: Stack) -> None:
    config = yaml.safe_load(stack.docker.run_compose("--profile", "gpu", "config"))

    service = config["services"]["sentiment-gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert service["build"]["target"] == "gpu"
    assert service["environment"]["SENTIMENT_PROVIDER"] == "cuda"
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
