"""The examples of docs/deploy.md: nginx runs its file, and systemd reads its unit."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import find_free_port
from tests.service.serving import PATIENCE_S, ROOT, Server, wait_until

pytestmark = pytest.mark.deploy

PAGE = (ROOT / "docs" / "deploy.md").read_text()
HOST = "example.org"
AROUND = """
user {user} {group}; daemon off; pid {folder}/pid; error_log {folder}/error.log info;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {example}
}}
"""
CERTIFY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={host} -out {pem} -keyout {key}"
)


def example_of(language: str) -> str:
    (example,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(example)


def replace(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Nginx:
    """The program with the page's file, but for ports and certificate, before `server`."""

    def __init__(self, folder: Path, server: Server) -> None:
        pem, key = folder / "cert.pem", folder / "cert.key"
        certify = CERTIFY.format(host=HOST, pem=pem, key=key)
        subprocess.run(certify.split(), check=True, capture_output=True, timeout=PATIENCE_S)
        self.port = find_free_port()
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{server.port}",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            f"/etc/ssl/certs/{HOST}.pem": str(pem),
            f"/etc/ssl/private/{HOST}.key": str(key),
        }
        example = replace(example_of("nginx"), changes)
        configuration = folder / "nginx.conf"
        # Else root's nginx would work as another user, who may not write to the folder.
        user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
        around = AROUND.format(folder=folder, user=user, group=group, example=example)
        configuration.write_text(around)
        self._certificate = pem
        self._log = folder / "error.log"
        command = ["nginx", "-c", str(configuration), "-e", str(self._log)]
        self.process = subprocess.Popen(command, start_new_session=True)
        wait_until(self._listens, "nginx")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_S)

    def curl(self, path: str, *options: str) -> list[str]:
        """The command that asks for a path below the example's prefix."""
        to = [
            "--connect-to",
            f"{HOST}:443:127.0.0.1:{self.port}",
            "--cacert",
            str(self._certificate),
        ]
        return ["curl", "-sS", *to, f"https://{HOST}/sentiment/{path}", *options]

    def ask(self, path: str, *options: str) -> tuple[int, bytes]:
        """Status and body."""
        command = self.curl(path, "-w", "%{stderr}%{http_code}", *options)
        done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S)
        return int(done.stderr), done.stdout

    def _listens(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        return subprocess.run(self.curl(""), capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def nginx(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    if shutil.which("nginx") is None:
        pytest.skip("no program `nginx` here (Debian: apt-get install nginx)")
    folder = tmp_path_factory.mktemp("nginx")
    settings = {"processes": 1, "root_path": "/sentiment"}
    with Server(models_dir, folder / "service.log", **settings) as server:
        wait_until(server.is_ready, "readiness")
        nginx = Nginx(folder, server)
        yield nginx
        nginx.stop()


def test_texts_are_answered_below_the_prefix(nginx: Nginx) -> None:
    headers = ["-H", "content-type: application/json"]
    status, body = nginx.ask("predict", *headers, "-d", '{"inputs": ["good", "味道很好"]}')
    assert status == 200
    assert len(json.loads(body)["predictions"]) == 2


def test_page_and_docs_load_what_they_need(nginx: Nginx) -> None:
    status, page = nginx.ask("")
    assert status == 200
    links = re.findall(r'(?:src|href)="(static/[^"]+)"', page.decode())
    assert links
    assert {nginx.ask(link)[0] for link in links} == {200}
    assert b"url: '/sentiment/openapi.json'" in nginx.ask("docs")[1]


def test_metrics_stay_within(nginx: Nginx) -> None:
    assert nginx.ask("metrics")[0] == 404
    assert nginx.ask("health/ready")[0] == 200


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_lines_of_a_stream_are_answered_while_others_are_still_being_sent(
    nginx: Nginx, version: str
) -> None:
    typed = ["-H", "content-type: application/x-ndjson", "-X", "POST", "-T", "."]
    command = nginx.curl("predict/stream", version, "-N", *typed)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as curl:
        assert curl.stdin
        assert curl.stdout
        for number in range(3):
            curl.stdin.write(b'{"id": %d, "text": "good"}\n' % number)
            curl.stdin.flush()
            assert select.select([curl.stdout], [], [], PATIENCE_S)[0], "nothing comes back"
            assert json.loads(curl.stdout.readline())["id"] == number
        curl.stdin.close()
        assert curl.stdout.read() == b""
        assert curl.wait(PATIENCE_S) == 0


def test_a_file_larger_than_other_requests_is_answered(nginx: Nginx, tmp_path: Path) -> None:
    row = '"' + "good " * 2000 + '"\n'
    path = tmp_path / "large.csv"
    path.write_text("text\n" + row * 1000)
    assert os.path.getsize(path) > 9 * 1024**2
    status, body = nginx.ask("predict/file", "-F", f"file=@{path}")
    assert status == 200
    answered = body.decode().splitlines()
    assert answered[0].startswith("text,label,")
    assert len(answered) == 1001


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no program `systemd-analyze` here (Debian: apt-get install systemd)")
    program = tmp_path / "sentiment"
    program.touch(mode=0o755)
    unit = tmp_path / "sentiment.service"
    unit.write_text(replace(example_of("ini"), {"/opt/sentiment/bin/sentiment": str(program)}))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stderr) == (0, "")
