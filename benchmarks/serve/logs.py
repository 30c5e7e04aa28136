"""What is going on, for whoever waits."""

from __future__ import annotations

import sys
import time


def note(message: str) -> None:
    """A line on stderr with the time of day."""
    print(time.strftime("%H:%M:%S"), message, file=sys.stderr, flush=True)
