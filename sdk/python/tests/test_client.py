"""The client against an HTTP server of the test's own that says what it is told to: batching, errors, retries, pages."""
import http.server
import json
import math
import pathlib
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import slipway  # noqa: E402
from slipway import _http  # noqa: E402
from slipway.errors import error_of  # noqa: E402
from slipway.types import Metric, Run, number  # noqa: E402


class Script(http.server.BaseHTTPRequestHandler):
    """Answers are taken in order from server.answers: (status, JSON); each request is kept in server.asked."""

    protocol_version = "HTTP/1.1"

    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, {})
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _any

    def log_message(self, *_):
        pass


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
        self.server.daemon_threads = True
        self.server.asked, self.server.answers = [], []
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.client = slipway.Client(f"http://127.0.0.1:{self.server.server_address[1]}", token="t", project="p")
        self.pause, _http.PAUSE_SECONDS = _http.PAUSE_SECONDS, 0.0

    def tearDown(self):
        _http.PAUSE_SECONDS = self.pause
        self.client.close()
        self.server.shutdown()
        self.server.server_close()

    def bodies(self):
        return [json.loads(body) for _, _, _, body in self.server.asked]

    def test_who_and_where_go_with_every_request(self):
        self.client.status()
        method, path, headers, _ = self.server.asked[0]
        self.assertEqual((method, path), ("GET", "/api/slipway/v1/status"))
        self.assertEqual((headers["Authorization"], headers["X-Slipway-Project"]), ("Bearer t", "p"))

    def test_what_is_more_than_one_batch_goes_in_several(self):
        metrics = [Metric("m", float(i), 5, i) for i in range(2500)]
        self.client.runs.log("r", metrics, {f"p{i}": i for i in range(150)}, {"t": "v"})
        sizes = [(len(b["metrics"]), len(b["params"]), len(b["tags"])) for b in self.bodies()]
        self.assertEqual(sizes, [(899, 100, 1), (950, 50, 0), (651, 0, 0)])
        self.assertEqual([m["step"] for b in self.bodies() for m in b["metrics"]], list(range(2500)))
        self.server.asked.clear()
        self.client.runs.log("r")
        self.assertEqual(self.server.asked, [])

    def test_numbers_that_json_has_no_word_for(self):
        self.client.runs.log("r", [Metric("a", math.nan, 1), Metric("b", math.inf, 1), Metric("c", -math.inf, 1)])
        self.assertEqual([m["value"] for m in self.bodies()[0]["metrics"]], ["NaN", "Infinity", "-Infinity"])
        self.assertTrue(math.isnan(number("NaN")))
        self.assertEqual(number("-Infinity"), -math.inf)
        self.assertEqual(Run.of({"info": {"run_id": "r", "experiment_id": "0"},
                                 "data": {"metrics": [{"key": "m", "value": "Infinity"}]}}).metrics, {"m": math.inf})

    def test_pages_are_read_to_the_end(self):
        self.server.answers += [(200, {"items": [1], "next_page_token": "n/1"}), (200, {"items": [2]})]
        self.assertEqual(list(self.client.items("models")), [1, 2])
        self.assertEqual(self.server.asked[1][1], "/api/slipway/v1/models?page_token=n%2F1")

    def test_only_what_may_be_repeated_is_tried_again(self):
        self.server.answers += [(503, {}), (503, {}), (200, {"ok": True})]
        self.assertEqual(self.client.status(), {"ok": True})
        self.server.answers[:] = [(503, {"code": "store.busy", "detail": "busy", "hint": "later"}), (200, {})]
        with self.assertRaises(slipway.Unavailable) as caught:
            self.client.experiments.create("e")
        error = caught.exception
        self.assertEqual((error.code, error.cause, error.hint, error.status, error.retryable),
                         ("store.busy", "busy", "later", 503, True))

    def test_nobody_there(self):
        self.server.shutdown()
        self.server.server_close()
        with self.assertRaises(slipway.Unavailable) as caught:
            self.client.status()
        self.assertEqual((caught.exception.code, caught.exception.exit_code), ("net.unreachable", 7))
        self.assertIn("SLIPWAY_URL", caught.exception.hint)

    def test_addresses_that_are_none(self):
        for url in ("127.0.0.1:7070", "ftp://x", "http://", "http://h/?q=1"):
            with self.assertRaises(slipway.InvalidRequest):
                slipway.Client(url)

    def test_metrics_are_kept_until_they_are_due(self):
        run = slipway.ActiveRun(self.client, Run("r", "0", "n", "RUNNING", "mlflow-artifacts:/0/r/artifacts"), owned=True)
        run._flushed = math.inf  # No second passes.
        for step in range(999):
            run.log_metric("m", step, step)
        self.assertEqual(self.server.asked, [])
        run.log_metric("m", 999, 999)
        self.assertEqual(len(self.bodies()[0]["metrics"]), 1000)
        run.log_metric("m", 1, 1000)
        self.server.answers += [(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no"})]
        with self.assertRaises(slipway.InvalidRequest):
            run.flush()
        run.end()  # What wasn't taken is sent again.
        self.assertEqual(self.bodies()[-2]["metrics"][0]["step"], 1000)
        self.assertEqual(self.bodies()[-1]["status"], "FINISHED")

    def test_how_a_block_ends_is_how_the_run_ends(self):
        cases = [(None, "FINISHED"), (ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "FINISHED")]
        for kind, status in cases:
            run = slipway.ActiveRun(self.client, Run("r", "0", "n", "RUNNING", ""), owned=True)
            try:
                with run:
                    if kind:
                        raise kind()
            except BaseException as error:  # pylint: disable=broad-except
                self.assertIsInstance(error, kind)
            self.assertEqual(self.bodies()[-1]["status"], status)

    def test_answers_become_errors(self):
        cases = [
            (404, b'{"code":"model.not_found","detail":"no m"}', slipway.NotFound, "model.not_found", "no m"),
            (404, b'{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"gone"}', slipway.NotFound, "RESOURCE_DOES_NOT_EXIST", "gone"),
            (400, b'{"error_code":"RESOURCE_ALREADY_EXISTS","message":"m"}', slipway.Conflict, "RESOURCE_ALREADY_EXISTS", "m"),
            (401, b"", slipway.Denied, "server.status_401", "the server answered 401"),
            (409, b"[]", slipway.Conflict, "server.status_409", "the server answered 409"),
            (400, b"\xff", slipway.InvalidRequest, "server.status_400", "the server answered 400"),
            (500, b'{"code":7}', slipway.SlipwayError, "server.status_500", "the server answered 500"),
        ]
        for status, body, kind, code, cause in cases:
            error = error_of(status, body)
            self.assertIs(type(error), kind)
            self.assertEqual((error.code, error.cause), (code, cause))


if __name__ == "__main__":
    unittest.main()
