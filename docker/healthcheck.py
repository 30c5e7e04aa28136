"""The image's HEALTHCHECK: exits 0 when the service says that it is ready."""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int | str:
    """Exit status: 0, or the reason why not."""
    port = int(os.environ.get("SENTIMENT_PORT") or 8000)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    return 0 if answer.status == 200 else f"{answer.status}: {answer.read(500)!r}"


if __name__ == "__main__":
    sys.exit(main())
