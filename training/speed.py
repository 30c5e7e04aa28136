"""How fast a network learns and reads, on one core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from service.tokenizer import Tokenizer
from training.config import RunConfig
from training.fitting import Trained, new_model
from training.inference import one_thread
from training.model import Classifier
from training.packing import export_in_memory
from training.precision import takes_bf16
from training.prepared import Prepared

TEXTS = 64
TOKENS = 32
ROUNDS = 5
READ_TEXTS = 256

Clock = Callable[[], float]


@dataclass(frozen=True)
class Speed:
    """Tokens a second: of training steps of 64 texts of 32 tokens, and of dev texts in ONNX."""

    train: float
    onnx: float


def measure_speed(run: RunConfig, prepared: Prepared, clock: Clock) -> Speed:
    """The fastest of several rounds by the clock, one thread; the weights need no training.

    A clock of the process (`time.process_time`) leaves out what other programs take.
    """
    tokenizer = Tokenizer(prepared.tokenizer)
    network = new_model(run, prepared.labels, tokenizer)
    trained = Trained(**vars(prepared), model=network)
    model = export_in_memory(run, trained, Path(run.name))
    texts = [text for data_set in prepared.data_sets for text in data_set.dev.texts]
    encoded = [ids for ids in tokenizer.encode_all(texts[:READ_TEXTS]) if ids]
    with one_thread():
        onnx_s = _fastest_s(lambda: model.logits_of_many(encoded), clock)
        train_s = _fastest_s(_training_step(run, network, tokenizer.vocab_size), clock)
    return Speed(TEXTS * TOKENS / train_s, sum(map(len, encoded)) / onnx_s)


def _training_step(run: RunConfig, network: Classifier, vocab_size: int) -> Callable[[], object]:
    """One step as the loop takes it."""
    bf16 = takes_bf16(run.training.precision, torch.device("cpu"))
    optimizer = torch.optim.AdamW(network.parameters(), lr=run.training.learning_rate, fused=True)
    ids = torch.randint(vocab_size, (TEXTS, TOKENS))
    targets = torch.zeros(TEXTS, dtype=torch.long)
    network.train()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(ids)
        optimizer.zero_grad()
        functional.cross_entropy(logits, targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _fastest_s(work: Callable[[], object], clock: Clock) -> float:
    seconds: list[float] = []
    for _ in range(ROUNDS):
        began = clock()
        work()
        seconds.append(clock() - began)
    return min(seconds)
