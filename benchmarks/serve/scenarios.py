"""What is asked: which texts, how many a request, over how many connections."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.serve.texts import TextMaker
from service.tokenizer import Tokenizer

SEED = 20_240_601
SHORT_TOKENS = 33
MEDIAN_TOKENS, SIGMA = 60.0, 1.0
FEWEST_TOKENS, MOST_TOKENS, LONGEST_TOKENS = 3, 400, 1000
LONG_SHARE = 0.01
WHOLE_TOKENS = 8000

Body = list[str]


def draw_short(random: Random) -> int:
    """Always the same length."""
    return SHORT_TOKENS


def draw_mixed(random: Random) -> int:
    """Log-normal lengths of 3 to 400 tokens, as of real reviews, and a few longer ones."""
    if random.random() < LONG_SHARE:
        return random.randint(MOST_TOKENS + 1, LONGEST_TOKENS)
    drawn = MEDIAN_TOKENS * random.lognormvariate(0, SIGMA)
    return min(max(round(drawn), FEWEST_TOKENS), MOST_TOKENS)


def draw_whole(random: Random) -> int:
    """Always a long document, read whole."""
    return WHOLE_TOKENS


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    title: str
    draw_tokens: Callable[[Random], int]
    connections: int
    bodies: int
    """Different requests, asked in a cycle."""
    texts: int = 1
    """Texts in each request."""
    by_latency: bool = False
    """Whether peers are compared by their median latency, not by requests a second."""
    pause_ms: int = 0
    """The mean pause of a connection before its next request."""
    beside: Scenario | None = None
    """What another client asks meanwhile."""
    only_ours: bool = False
    """Whether peers are not asked."""


LONG = Scenario("long", "8,000 tokens, one text a request", draw_whole, 1, 8)
QUIET = Scenario(
    "quiet",
    "33 tokens, one text a request, each connection pausing for 40 ms",
    draw_short,
    8,
    512,
    by_latency=True,
    pause_ms=40,
    only_ours=True,
)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("short", "33 tokens, one text a request", draw_short, 64, 512),
        Scenario("mixed", "mixed lengths, one text a request", draw_mixed, 64, 1024),
        Scenario("bulk", "mixed lengths, 64 texts a request", draw_mixed, 8, 32, texts=64),
        Scenario("single", "33 tokens, one text at a time", draw_short, 1, 512, by_latency=True),
        QUIET,
        replace(
            QUIET,
            name="beside",
            title="the same, beside a client that sends one text of 8,000 tokens after the other",
            beside=LONG,
        ),
    )
}


def make_bodies(scenario: Scenario, tokenizer: Tokenizer) -> list[Body]:
    """The requests of a scenario: the same for the same tokenizer."""
    random = Random(f"{SEED} {scenario.name}")
    maker = TextMaker(tokenizer, random.getrandbits(32))
    return [
        [maker.make(scenario.draw_tokens(random)) for _ in range(scenario.texts)]
        for _ in range(scenario.bodies)
    ]


def write_bodies(path: Path, bodies: Iterable[Body]) -> None:
    """One JSON body a line."""
    lines = (encode_body(body) + "\n" for body in bodies)
    path.write_text("".join(lines), encoding="utf-8")


def read_bodies(path: Path) -> list[Body]:
    """The inverse of `write_bodies`."""
    return [json.loads(line)["inputs"] for line in path.read_text(encoding="utf-8").splitlines()]


def encode_body(texts: Body) -> str:
    """The JSON that every peer is sent: always a list, which BentoML's batching asks for."""
    return json.dumps({"inputs": texts}, ensure_ascii=False, separators=(",", ":"))
