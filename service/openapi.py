"""The words of the OpenAPI page."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

TITLE = "Sentiment"

DESCRIPTION = """
The sentiment of texts in English and Chinese, on your own machine: no text leaves it.

## Quickstart

```sh
curl localhost:8000/predict --json '{"inputs": "A lovely little film, warm and funny."}'
curl localhost:8000/predict --json '{"inputs": ["味道很好,分量也足。", "Never again."]}'
curl localhost:8000/analyze --json '{"inputs": "Good food. Rude waiter.", "explain": true}'
```

Each prediction has the most probable `label`, its `score`, and all `scores`: probabilities,
calibrated on held-out texts like those that the model learnt from. A text gets the same answer,
to the last bit, alone and among any others.

## Errors

Every error is `{"error": {"type", "message", "param"}}`: `type` is a stable name for your
program, `message` says what is wrong and which limit holds, and `param`, where there is one,
is the path of the field, such as `inputs.3`. `GET /info` lists the limits. Under `/v2` the
Open Inference Protocol has another shape: `{"error": "field: message"}`.
"""

TAGS: list[dict[str, Any]] = [
    {"name": "predict", "description": "Texts to sentiments."},
    {
        "name": "analyze",
        "description": "Documents: their sentences, and which words moved the score.",
    },
    {
        "name": "hugging face",
        "description": "For `huggingface_hub.InferenceClient` and its like.",
    },
    {
        "name": "open inference protocol",
        "description": "Version 2, for the clients of KServe and Triton. "
        'Errors here are `{"error": "message"}`, as the protocol has them.',
    },
    {"name": "operations", "description": "What runs here, and whether it runs well."},
]

SWAGGER_UI: dict[str, Any] = {
    "validatorUrl": None,  # else the page asks a validator on the internet
    "tryItOutEnabled": True,
    "displayRequestDuration": True,
    "defaultModelsExpandDepth": 0,
}


def inline_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema without references, for a body that FastAPI does not read."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(definitions[node["$ref"].rpartition("/")[2]])
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
