"""FastAPI that does nothing: parses the body, answers a constant. The ceiling of any endpoint."""

from __future__ import annotations

from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from benchmarks.serve.servers.options import HOST, PATH, ServerOptions

PREDICTION: dict[str, Any] = {
    "label": "positive",
    "score": 0.9182736455463728,
    "scores": {
        "positive": 0.9182736455463728,
        "neutral": 0.0642198273645546,
        "negative": 0.0175065270890726,
    },
    "tokens": 33,
    "truncated": False,
}

app = FastAPI()


class Body(BaseModel):
    """What POST /predict takes."""

    inputs: str | list[str]
    model: str | None = None
    top_k: int | None = None
    raw_scores: bool = False
    truncate: bool = False


@app.post(PATH)
async def predict(body: Body) -> JSONResponse:
    count = 1 if isinstance(body.inputs, str) else len(body.inputs)
    return JSONResponse({"model": "default", "predictions": [PREDICTION] * count})


def main() -> None:
    options = ServerOptions.from_environment()
    uvicorn.run(
        f"{__spec__.name}:app",
        host=HOST,
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
