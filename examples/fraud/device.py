"""Runs a bundle for browsers: in Chromium where it is installed (with playwright-core, as `./dev setup --all` has it), else with
the same module and the same onnxruntime-web in node."""
import functools
import http.server
import json
import pathlib
import subprocess
import threading

from dev import common, web

CHROMIUM = pathlib.Path("/usr/bin/chromium")


class Site(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def do_POST(self):  # Of the report that the page sends when it may.
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def node():
    found = web.find_node()
    if not found:
        raise common.Failed("no node 20.19 or newer")
    return found[0]


def answered(command):
    done = subprocess.run([str(w) for w in command], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"the bundle doesn't run: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def run(folder):
    """Where it ran, and its report."""
    if not CHROMIUM.exists() or not (common.ROOT / "web/node_modules/playwright-core").exists():
        return "onnxruntime-web in node", answered([node(), folder / "run.mjs"])
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=str(folder)))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        return "Chromium", answered([node(), common.ROOT / "test/browser/bundle.mjs", f"http://127.0.0.1:{site.server_port}"])
    finally:
        site.shutdown()
