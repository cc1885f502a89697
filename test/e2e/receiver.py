"""A receiver of webhooks on loopback, for suites that send some."""
import http.server
import threading

from harness import until

LOOPBACK = ["--webhooks-allow-http", "--webhooks-allow-private"]


class Receiver:
    """Keeps what is posted to it; each path answers with the status set for it, /slow after a while, /away by a redirect. `tls`: an ssl.SSLContext."""

    def __init__(self, tls=None):
        self.got, self.status, self.lock = [], {}, threading.Lock()
        self.release = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                path = self.path.split("?")[0]
                if path == "/slow":
                    receiver.release.wait(8)
                with receiver.lock:
                    receiver.got.append((self.path, dict(self.headers.items()), body))
                status = receiver.status.get(path, 200)
                self.send_response(status)
                answer = b"x" * (1 << 20) if path == "/large" else b"taken" if status == 200 else b"not now"
                if status == 302:
                    self.send_header("Location", "/redirected")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                try:
                    self.wfile.write(answer)
                except OSError:
                    pass  # enough was read

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path):
        with self.lock:
            return [(headers, body) for where, headers, body in self.got if where == path]

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def arrived(receiver, path, n, server, seconds=20):
    return until(f"{n} at {path}", lambda: receiver.at(path) if len(receiver.at(path)) >= n else None, seconds, server)
