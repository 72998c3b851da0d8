"""A mock model for domains made by an algorithm: yahoo.com and amazon.com are legit, everything else is malicious.

GET /apply?host=NAME answers {"is_malicious": "legit" | "malicious"}, GET /health answers 200 while it serves.
Nothing but Python's standard library is needed.
"""

import json
import os
import signal
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LEGIT = {"yahoo.com", "amazon.com"}
ANNOUNCEMENT = "endpoint.dat"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive
    # Head and body leave in one packet: two would wait for each other's acknowledgement on a kept connection.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60  # an idle connection's, in seconds

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/apply":
            host = parse_qs(url.query).get("host")
            if host:
                verdict = "legit" if host[0].lower() in LEGIT else "malicious"
                self.answer(200, {"is_malicious": verdict})
            else:
                self.answer(400, {"error": "the parameter host is missing: /apply?host=example.com"})
        elif url.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"error": "there are /apply and /health"})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # a line per request would fill the container's disk


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # so that server_close() waits for the answers under way

    def __init__(self):
        self.connections = set()
        self.lock = threading.Lock()
        super().__init__(("0.0.0.0", 0), Handler)

    def server_bind(self):
        # HTTPServer's own would look up this host's full name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address):
        with self.lock:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.lock:
            self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def drain(self):
        """Takes no more connections or requests, and returns when all answers under way are written."""
        self.shutdown()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RD)
                except OSError:
                    pass  # closed by the client
        self.server_close()


def announce(port):
    """Written whole or not at all: a reader never sees half of it."""
    with open(ANNOUNCEMENT + ".new", "w") as file:
        json.dump({"url": f"http://0.0.0.0:{port}", "functions": {"apply": "apply"}}, file)
    os.replace(ANNOUNCEMENT + ".new", ANNOUNCEMENT)


def main():
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before any thread, so that all inherit it
    server = Server()  # listens from here on
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    announce(server.server_port)
    signal.sigwait(stop)
    server.drain()


main()
