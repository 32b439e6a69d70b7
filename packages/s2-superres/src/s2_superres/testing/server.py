"""A small web server for tests: it answers range requests, counts them, and fails on demand."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Site:
    """A folder behind HTTP.

    Attributes
    ----------
    url : str
        Of the folder, ending with ``/``.
    sent : dict of str to int
        Bytes sent by path.
    requests : list of str
        Every path asked for, with its query.
    failures : dict of str to list of int
        Per path, the statuses to answer with before it is served; -1 cuts the answer off in its
        middle.
    delay : float
        Seconds to wait before each answer.
    ranges : bool
        Whether parts of files are sent.
    token : str
        If there is one, a query that every request needs, or the answer is 403.
    """

    url: str
    sent: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failures: dict[str, list[int]] = field(default_factory=dict)
    delay: float = 0.0
    ranges: bool = True
    token: str = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.site = Site(f"http://127.0.0.1:{self.server_address[1]}/")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        site = self.server.site
        path, _, query = self.path.partition("?")
        site.requests.append(self.path)
        time.sleep(site.delay)
        planned = site.failures.get(path.lstrip("/"))
        status = planned.pop(0) if planned else 0
        file = self.server.folder / path.lstrip("/")
        if status > 0 or not file.is_file():
            return self._refuse(status or 404)
        if site.token and query != site.token:
            return self._refuse(403)
        size = file.stat().st_size
        start, stop = 0, size
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not site.ranges:
            asked = None
        if asked and not asked[1]:
            start = max(0, size - int(asked[2]))
        elif asked:
            start = int(asked[1])
            stop = min(int(asked[2]) + 1, size) if asked[2] else size
            if start >= size:
                return self._refuse(416)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        if body:
            with file.open("rb") as stream:
                stream.seek(start)
                data = stream.read(stop - start)
            if status == -1:
                data, self.close_connection = data[: len(data) // 2], True
            self.wfile.write(data)
            site.sent[path.lstrip("/")] = site.sent.get(path.lstrip("/"), 0) + len(data)
        return None

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    """Serve a folder on a free port of this machine while the block runs."""
    server = _Server(folder)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
