"""Every version that is compared, in one table."""

from __future__ import annotations

from typing import Final

PEERS: Final = {
    "mosec": ("mosec==0.9.8",),
    "litserve": ("litserve==0.2.19",),
    "bentoml": ("bentoml==1.4.39",),
    "ray": ("ray[serve]==2.60.0",),
}
"""What makes each peer's environment a peer's, beside what the model needs."""

MODEL: Final = ("numpy", "onnxruntime", "pydantic", "sentencepiece")
"""What service.bundle, tokenizer and engine import: in every peer's environment."""

PINS: Final = (
    "fastapi==0.165.0",
    "httptools==0.9.0",
    "numpy==2.4.6",
    "onnxruntime==1.31.1",
    "pydantic==2.14.3",
    "sentencepiece==0.2.3",
    "typer==0.29.2",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
)
"""Held in every environment, ours too, wherever something asks for one of them."""

PLOT: Final = ("matplotlib==3.11.2",)
"""What draws the figure."""
