"""A million lines through POST /predict/stream of a server that runs: rate, and its memory.

sentiment serve --processes 1 &
python -m benchmarks.stream --pid $(pgrep -nf 'sentiment serve')
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
LINE = b'{"id": %d, "text": "The room was spotless."}\n'
LINES_A_CHUNK = 1000


def send(connection: socket.socket, lines: int) -> None:
    """The whole body, in chunks."""
    for start in range(0, lines, LINES_A_CHUNK):
        part = b"".join(LINE % number for number in range(start, start + LINES_A_CHUNK))
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")


def main(
    pid: Annotated[int, typer.Option(help="Of the serving process, whose memory is shown.")],
    port: int = 8000,
    lines: int = 1_000_000,
) -> None:
    """Send, read and check the order; print ten times how far it is."""
    head = "POST /predict/stream HTTP/1.1\r\nhost: localhost\r\n"
    head += "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    status = Path(f"/proc/{pid}/status")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.encode())
        sending = threading.Thread(target=send, args=(connection, lines), daemon=True)
        sending.start()
        began_s = time.perf_counter()
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        done = 0
        for line in answer:
            assert line.startswith(b'{"id":%d,"label"' % done), line
            done += 1
            if done % max(1, lines // 10) == 0:
                peak_mb = int(PEAK.findall(status.read_text())[0]) / 1024
                rate = done / (time.perf_counter() - began_s)
                print(f"{done:,} lines, {rate:,.0f} a second, {peak_mb:,.0f} MB at most")
        sending.join()
    assert done == lines, f"{done} of {lines} lines were answered"


if __name__ == "__main__":
    typer.run(main)
