"""An answer that is written part by part."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Send


class GradualResponse(Response):
    """Begins with its first part: an error before that can still have its own status."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self.started = False

    async def write(self, send: Send, part: bytes, *, more: bool = True) -> None:
        """Send a part, which waits while the client reads too slowly."""
        if not self.started:
            self.started = True
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
        await send({"type": "http.response.body", "body": part, "more_body": more})
