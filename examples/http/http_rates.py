"""Answers of an API that are kept for a minute, asked for again on demand, and still there while the server is down.

`python examples/http/http_rates.py`
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import urlopen

import everfresh as ef


@ef.cached(ttl="1m")
def rate(server: str, currency: str) -> float:
    """How much a currency is worth."""
    with urlopen(f"{server}/rates/{currency}") as answer:
        return float(answer.read())


class Server(ThreadingHTTPServer):
    """A server on this machine that counts its requests, and gives a little more each time."""

    requests = 0
    down = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        body = f"{1.08 + 0.01 * self.server.requests:.2f}".encode()
        self.server.requests += 1
        if self.server.down:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    with Server() as server:

        def show(when: str, refresh: bool = False) -> None:
            try:
                answer = (rate.cache_refresh if refresh else rate)(server.url, "EUR")
                text = f"{answer:.2f}"
            except HTTPError as error:
                text = f"error: http status: {error.code}"
            print(f"{when:32} {text:29} {server.requests} requests")

        show("at first")
        show("at once again")
        show("by force", refresh=True)
        show("at once again")
        server.down = True
        show("server down")
        show("by force, server down", refresh=True)
        show("the old one is still there")
        rate.cache_invalidate(server.url, "EUR")
        show("it is forgotten, server down")
        server.down = False
        show("up again")
        show("at once again")
        server.shutdown()


if __name__ == "__main__":
    main()
