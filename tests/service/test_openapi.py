"""What /openapi.json promises is so; schemathesis tries to find where it is not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.errors import RequestError
from service.oip import InferRequest
from service.openapi import inline_schema
from service.schemas import READABLE
from service.texts import TextLimits, encode_text
from service.tokenizer import Tokenizer
from tests.service.processes import Server
from tests.tiny import make_bundle

CONFIG = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = """
import schemathesis
from schemathesis.cli import schemathesis as main
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
main()
"""
EXAMPLES = 40  # of each operation in each phase
LIMITS = TextLimits(max_chars=10**6, max_tokens=10**6)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, tokenizer_model: bytes) -> Iterator[str]:
    """A server whose texts may be long: how long, the schema cannot say."""
    folder = tmp_path_factory.mktemp("long")
    make_bundle(folder / "default", tokenizer_model, max_tokens=8192)
    server = Server(folder)
    reader = server.drain()
    yield f"http://127.0.0.1:{server.port}"
    server.process.kill()
    reader.join()
    server.process.communicate()


@pytest.fixture(scope="module")
def tokenizer(tokenizer_model: bytes) -> Tokenizer:
    return Tokenizer(tokenizer_model)


def test_schemathesis_finds_nothing(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCHEMATHESIS, "--config-file", str(CONFIG)]
    command += ["run", f"{url}/openapi.json", "--checks", "all", "--no-color"]
    command += ["--max-examples", str(EXAMPLES), "--generation-deterministic"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Tested: \d\d", done.stdout)


def is_readable(tokenizer: Tokenizer, text: str) -> bool:
    try:
        encode_text(tokenizer, text, LIMITS, truncate=False)
    except RequestError:
        return False
    return True


@given(text=st.text(st.characters(codec="utf-8")))
@example("")
@example(" \u3000\n")
@example("a\0b")
@example("a\n")
@settings(deadline=None)
def test_the_schema_says_which_texts_are_readable(tokenizer: Tokenizer, text: str) -> None:
    assert bool(re.search(READABLE, text)) == is_readable(tokenizer, text)


def test_the_schema_says_which_characters_are_readable(tokenizer: Tokenizer) -> None:
    basic = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    wrong = [
        hex(ord(character))
        for character in basic
        if bool(re.search(READABLE, character)) != is_readable(tokenizer, character)
    ]
    assert wrong == []


def test_an_inlined_schema_has_no_references() -> None:
    schema = inline_schema(InferRequest)
    assert "$ref" not in str(schema)
    assert schema["properties"]["inputs"]["items"]["properties"]["name"]["const"] == "text"
