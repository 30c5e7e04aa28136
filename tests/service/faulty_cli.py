"""`sentiment predict` over the engine of `faulty_server`: `python -m tests.service.faulty_cli`.

Its first argument is the folder of the gate and of the journal, the others are the command's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from service import offline
from service.cli import app
from service.model import Model
from service.settings import Settings
from tests.service.faulty_server import open_faulty_model

if __name__ == "__main__":
    folder = Path(sys.argv[1])

    def open_models(settings: Settings) -> dict[str, Model]:
        return {"default": open_faulty_model(settings, folder)}

    with patch.object(offline, "open_models", open_models):
        app(["predict", *sys.argv[2:]])
